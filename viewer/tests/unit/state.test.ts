import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decode, encode, INITIAL, ISOLATIONS, LANGUAGES, LAYERS, PAGES, round, SCHEMES, type State, THEMES,
} from '../../src/state'

const number = (min: number, max: number): fc.Arbitrary<number> =>
  fc.double({ min, max, noNaN: true })
const view = fc.record({
  lon: number(-180, 180), lat: number(-90, 90), h: number(-12_000, 50_000_000),
  heading: number(0, 360), pitch: number(-90, 90),
}).map(round)
const identifier = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const selection = fc.oneof(
  fc.constant({ building: null, unit: null }),
  fc.record({ building: identifier, unit: fc.option(identifier) }),
)
const states: fc.Arbitrary<State> = fc.record({
  view: fc.option(view),
  selection,
  layers: fc.record(Object.fromEntries(LAYERS.map((name) => [name, fc.boolean()]))) as
    fc.Arbitrary<State['layers']>,
  scheme: fc.constantFrom(...SCHEMES),
  observed: fc.option(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })),
  alarms: fc.boolean(),
  isolation: fc.constantFrom(...ISOLATIONS),
  storey: fc.integer({ min: -9, max: 200 }),
  underground: fc.boolean(),
  page: fc.constantFrom(...PAGES),
  job: fc.option(identifier),
  language: fc.constantFrom(...LANGUAGES),
  theme: fc.constantFrom(...THEMES),
}).map((state) => ({
  ...state,
  storey: state.isolation === 'all' ? INITIAL.storey : state.storey,
  job: state.page === 'intake' ? state.job : null,
  observed: state.scheme === 'live' && state.observed !== null ? [...state.observed].slice(0, 100).join('') : null,
}))

describe('a link', () => {
  it('brings back every state it was made from', () => {
    fc.assert(fc.property(states, (state) => {
      expect(decode(encode(state))).toEqual(state)
    }), { numRuns: 500 })
  })

  it('brings it back for a visitor with other preferences, as far as the link speaks', () => {
    fc.assert(fc.property(states, fc.constantFrom(...LANGUAGES), (state, language) => {
      const initial = { ...INITIAL, language }
      expect(decode(encode(state, initial), initial)).toEqual(state)
    }))
  })

  it('is never refused, whatever it says', () => {
    fc.assert(fc.property(fc.string(), (hash) => {
      const state = decode(`#${hash}`)
      expect(decode(encode(state))).toEqual(state)
    }), { numRuns: 500 })
  })

  it('says nothing about a first visit', () => {
    expect(encode(INITIAL)).toBe('')
    expect(decode('')).toEqual(INITIAL)
  })

  it('keeps a unit only together with its building', () => {
    expect(decode('#u=7').selection).toEqual({ building: null, unit: null })
    expect(decode('#b=3&u=7').selection).toEqual({ building: 3, unit: 7 })
  })

  it.each(['#v=200,0,1,0,0', '#v=1,2,3', '#v=,,,,', '#v=a,b,c,d,e', '#v=1,NaN,3,4,5'])(
    'takes no camera from %s', (hash) => {
      expect(decode(hash).view).toBeNull()
    })

  it('reads what a person would write', () => {
    const state = decode('#v=113.75,23.02,420,35,-30&b=12&u=340&s=upto:8&c=height&l=-devices&t=dark')
    expect(state.view).toEqual({ lon: 113.75, lat: 23.02, h: 420, heading: 35, pitch: -30 })
    expect([state.isolation, state.storey, state.scheme]).toEqual(['upto', 8, 'height'])
    expect(state.layers.devices).toBe(false)
    expect(state.layers.streets).toBe(true)
    expect(state.theme).toBe('dark')
  })
})
