/** The words of the page on data quality, in English. */
export const qualityEn = {
  title: 'Data quality',
  never: 'The city has not been checked yet. Run:',
  checkedAt: (when: string) => `checked ${when}`,
  whole: 'Every invariant holds.',
  broken: (n: number) => `${n} invariants are broken.`,
  findings: 'Findings',
  invariants: 'Broken invariants',
  nothing: 'Nothing was found.',
  more: 'more',
  onMap: (shown: number, all: string) => `${shown} of ${all} on the map`,
  collections: 'Collections',
  collection: 'collection',
  objects: 'objects',
  onTheMap: 'on the map',
  stale: (months: number) => `untouched for ${months} months`,
  names: {
    areas: 'areas', grids: 'grids', estates: 'estates', buildings: 'buildings', storeys: 'storeys', units: 'units',
    addresses: 'addresses', organisations: 'organisations', facilities: 'facilities', projects: 'projects',
    devices: 'devices', residents: 'residents',
  } as Record<string, string>,
  types: {
    building: 'building', floor_plan: 'typical floor', storey: 'storey', unit: 'unit', address: 'address',
    device: 'device',
  } as Record<string, string>,
  pairs: 'Buildings of two sources',
  noPairs: 'No pairs wait for a decision. To propose some:',
  pair: (score: number, overlap: string) => `score ${score}, overlap ${overlap}`,
  reasons: { code: 'same code', address: 'same address', name: 'same name' } as Record<string, string>,
  storeys: (a: number, b: number) => `${a} and ${b} storeys`,
  same: 'the same',
  different: 'different',
  decided: (what: string) => `Decided: ${what}.`,
  undo: 'Undo',
}

export type QualityWords = typeof qualityEn
