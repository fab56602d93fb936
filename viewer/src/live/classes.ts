/** Numbers in classes of about as many each, and their colours: the scene and the legend read the same. */
import { MEASURED } from '../colours'

/** Where each class but the first begins; fewer where many are equal. */
export function classes(values: readonly number[]): number[] {
  const sorted = [...values].sort((one, other) => one - other)
  const steps = MEASURED.slice(1).map((_, at) => sorted[Math.floor(((at + 1) * sorted.length) / MEASURED.length)] ?? 0)
  return [...new Set(sorted.length > 1 ? steps : [])].filter((step) => step > (sorted[0] ?? 0))
}

/** The colour of a number among the classes that begin at these steps. */
export function measured(value: number, steps: readonly number[]): string {
  let at = steps.findIndex((step) => value < step)
  if (at < 0) at = steps.length
  return MEASURED[Math.min(at, MEASURED.length - 1)] ?? MEASURED[0]
}
