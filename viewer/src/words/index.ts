/** What the viewer says; each language is one object with the same keys, proved by `satisfies`. */
import type { Code } from '../api/types'
import type { Language } from '../state'
import { en, type Words } from './en'
import { zh } from './zh'

export type { Words }

export const WORDS: Readonly<Record<Language, Words>> = { 'zh-CN': zh, en }

/** A code as the service gives it, in the reader's language. */
export function inWords(code: Code | null, language: Language): string {
  return code ? code[language === 'en' ? 'en' : 'zh'] : '–'
}

/** A bare code, as tiles have it, in the reader's language; itself where no list has it. */
export function codeName(codes: readonly Code[] | undefined, code: string | null, language: Language): string {
  if (code === null) return '–'
  const found = codes?.find((one) => one.code === code)
  return found ? found[language === 'en' ? 'en' : 'zh'] : code
}

/** A number as the language writes it, with at most `digits` decimals and its unit. */
export function measure(value: number | null, unit: string, language: Language, digits = 1): string {
  if (value === null) return '–'
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value)}${unit && ' '}${unit}`
}

const UCUM: Readonly<Record<string, string>> = {
  '1': '', '{floor}': '', '{trip}': '', '{vehicle}': '', 'dB[mW]': 'dBm', 'kW.h': 'kWh', m3: 'm³', m2: 'm²', Cel: '°C', deg: '°', 'ug/m3': 'µg/m³', '[ppm]': 'ppm', 'm/s2': 'm/s²', 'm3/h': 'm³/h',
}

/** A unit of measure as people write it; UCUM's own form where that is not known. */
export function unitOfMeasure(ucum: string | null): string {
  return ucum === null ? '' : (UCUM[ucum] ?? ucum)
}

/** The time of day of a moment, to the second. */
export function hour(ms: number, language: Language): string {
  return new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false }).format(ms)
}

/** A moment as day and minute in the language. */
export function moment(iso: string | null, language: Language): string {
  if (!iso) return '–'
  return new Intl.DateTimeFormat(language, {
    month: 'numeric', day: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false,
  }).format(new Date(iso))
}
