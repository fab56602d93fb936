import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/preact'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createClient } from '../../src/api/client'
import { createQuality } from '../../src/panels/quality'
import { boxOf, onTheMap } from '../../src/panels/quality/place'
import { INITIAL } from '../../src/state'
import { createStore, type Store } from '../../src/store'
import { service } from './fixtures'

let store: Store
let asked: Request[]

beforeEach(async () => {
  const fake = service()
  asked = fake.asked
  const trail = { push: () => undefined, replace: () => undefined }
  store = createStore(createClient('http://city.test/', fake.ask), { ...INITIAL, language: 'en' }, trail)
  await store.start()
  const Page = createQuality(store)
  render(<Page />)
})
afterEach(cleanup)

describe('the page on data quality', () => {
  it('names what was found, and how much of each collection is on the map', async () => {
    await screen.findByText('Every invariant holds.')
    expect(screen.getByText('buildings in no estate')).toBeTruthy()
    expect(screen.queryByText('units without an outline')).toBeNull()
    expect(screen.getByText('87.5 %')).toBeTruthy()
  })

  it('puts the findings of a check on the map, and goes to the building of one', async () => {
    fireEvent.click(await screen.findByRole('button', { name: /no estate/ }))
    const one = await screen.findByRole('button', { name: /^3栋\s*7$/ })
    expect(store.preview.value?.features?.features.length).toBe(1)
    fireEvent.click(one)
    expect(store.state.value.selection.building).toBe(7)
    fireEvent.click(screen.getByRole('button', { name: /no estate/ }))
    expect(store.preview.value).toBeNull()
  })

  it('keeps a decision and takes it back', async () => {
    fireEvent.click(await screen.findByRole('button', { name: 'different' }))
    await screen.findByText(/Decided: different/)
    fireEvent.click(screen.getByRole('button', { name: 'Undo' }))
    const told = (): string[] => asked.filter((one) => one.method === 'PUT').map((one) => one.url)
    await waitFor(() => expect(told()).toHaveLength(2))
    expect(told()[0]).toBe('http://city.test/matches/17')
  })
})

describe('places of findings', () => {
  it('leave out what has none', () => {
    const items = [{ lon: 1, lat: 2 }, { lon: null, lat: null }, { lon: 3, lat: 1 }]
    expect(onTheMap(items).features).toHaveLength(2)
    expect(boxOf(items)).toEqual([1, 1, 3, 2])
    expect(boxOf([{ lon: null, lat: null }])).toBeNull()
  })
})
