/** One object per colour scheme: the scene styles from it and the legend reads it. */

export interface Swatch { readonly key: string; readonly colour: string }

/** Building use by code of list building_use. */
export const USE: readonly Swatch[] = [
  { key: 'residential', colour: '#f4c95d' },
  { key: 'retail', colour: '#e4572e' },
  { key: 'office', colour: '#4c86a8' },
  { key: 'public', colour: '#76b041' },
  { key: 'industry', colour: '#8d6a9f' },
  { key: 'mixed', colour: '#e09a6b' },
]

/** Height in metres: the highest step first, each with the height it begins at. */
export const HEIGHT: readonly (Swatch & { readonly from: number; readonly to: number | null })[] = [
  { key: '120', from: 120, to: null, colour: '#08519c' },
  { key: '80', from: 80, to: 120, colour: '#3182bd' },
  { key: '40', from: 40, to: 80, colour: '#6baed6' },
  { key: '20', from: 20, to: 40, colour: '#bdd7e7' },
  { key: '0', from: 0, to: 20, colour: '#eff3ff' },
]

/** A building no scheme speaks of. */
export const PAPER = '#f2f1ee'

/** What is to be built: seen through, and of a colour that nothing has that is there. */
export const PLANNED = { colour: '#3f7fd0', alpha: 0.45 } as const

/** Unit kind by code of list unit_kind; pale, because one unit among them is the subject. */
export const KIND: Readonly<Record<string, string>> = {
  residential: '#f2e2bd',
  shop: '#f0a58f',
  office: '#a9c9dd',
  parking: '#ccd2d8',
  public: '#bfdca4',
  equipment: '#d6c6e2',
  bed: '#f3cfa6',
  workshop: '#dcbba2',
}

/** The selected unit, its storey, and the building under selection. */
export const SELECTED = '#d6006e'
export const SELECTED_STOREY = '#f6bcd6'

/** Units that an open alarm affects, and a building with such units that is seen from afar. */
export const AFFECTED = '#e5142d'
export const AFFECTED_BLOCK = '#ee7f8b'

/** A device by its state; `stale`: nothing is heard of any now; `unheard`: of this one, as there are too many. */
export const DEVICE = {
  online: '#23864a', silent: '#6f7d89', faulty: '#b86a00', alarm: '#d7263d', unknown: '#4a6f99', stale: '#a9b2ba', unheard: '#a9b2ba',
} as const

/** Classes of numbers from the least on, for what is measured; the last is also what is above it. */
export const MEASURED = ['#fef0c7', '#fdc86b', '#f79044', '#dd5126', '#9c1f12'] as const

/** What stands on the ground, by theme. */
export const GROUND = {
  light: {
    land: '#eceae4', sky: '#cfe0ee', street: '#ffffff', casing: '#d8d4c9',
    estate: '#dfe9d3', estateLine: '#9fb98a', ink: '#1c2733a0',
  },
  dark: {
    land: '#1d242b', sky: '#0f151b', street: '#3a4651', casing: '#141a20',
    estate: '#22312b', estateLine: '#3f5f4e', ink: '#05080bc0',
  },
} as const
