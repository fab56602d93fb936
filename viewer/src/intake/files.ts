/** Which of the files that were dropped can be read, and which only go with another. */

export interface Survey {
  /** Names of the files that can be loaded, each by itself. */
  readonly readable: readonly string[]
  /** Names that belong to nothing here and are of no format that is read. */
  readonly unknown: readonly string[]
  /** Shapefiles of which a part is not there: its ending, and whether it cannot be read without. */
  readonly lacking: readonly { readonly file: string; readonly part: string; readonly needed: boolean }[]
}

const SHAPEFILE = ['.dbf', '.shx', '.prj', '.cpg', '.sbn', '.sbx', '.qix', '.fbn', '.fbx', '.ain', '.aih', '.shp.xml']
const WANTED = [['.shx', true], ['.dbf', true], ['.prj', false]] as const
const MAPPING = '.map.json'

/** The ending of a name with its dot, in small letters; empty where there is none. */
export function ending(name: string): string {
  const at = name.lastIndexOf('.')
  return at > 0 ? name.slice(at).toLowerCase() : ''
}

/** The name without its ending. */
export function stem(name: string): string {
  return name.slice(0, name.length - ending(name).length)
}

/** Whether the file is a building model, which has no columns and is not looked into beforehand. */
export function isModel(name: string): boolean {
  return ending(name).startsWith('.ifc')
}

/** What is among these names; `formats` are the endings that the service reads. */
export function survey(names: readonly string[], formats: readonly string[]): Survey {
  const there = new Set(names.map((name) => name.toLowerCase()))
  const partOf = (name: string): boolean =>
    SHAPEFILE.some((part) => {
      const low = name.toLowerCase()
      return low.endsWith(part) && there.has(`${low.slice(0, low.length - part.length)}.shp`)
    })
  const goesAlong = (name: string): boolean => partOf(name) || name.toLowerCase().endsWith(MAPPING)
  const readable = names.filter((name) => !goesAlong(name) && formats.includes(ending(name)))
  return {
    readable,
    unknown: names.filter((name) => !goesAlong(name) && !readable.includes(name)),
    lacking: readable.filter((name) => ending(name) === '.shp').flatMap((file) =>
      WANTED.filter(([part]) => !there.has(stem(file).toLowerCase() + part))
        .map(([part, needed]) => ({ file, part, needed }))),
  }
}

/** Bytes as people say them. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let [value, unit] = [count, 0]
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1 }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`
}
