import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/preact'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createClient } from '../../src/api/client'
import { App } from '../../src/panels/app'
import { INITIAL, type State } from '../../src/state'
import { createStore, type Store } from '../../src/store'
import { service } from './fixtures'

let store: Store
let asked: Request[]
let trail: [string, State][]

beforeEach(async () => {
  const fake = service()
  asked = fake.asked
  trail = []
  store = createStore(createClient('http://city.test/', fake.ask), INITIAL, {
    push: (state) => trail.push(['push', state]),
    replace: (state) => trail.push(['replace', state]),
  })
  await store.start()
  render(<App store={store} />)
})
afterEach(cleanup)

const focused = (): string | undefined => (document.activeElement as HTMLElement).dataset['unit']
const cell = (name: RegExp): Promise<HTMLElement> => screen.findByRole('gridcell', { name })

describe('the floor grid', () => {
  beforeEach(() => store.select({ building: 7, unit: 202 }))

  it('marks the unit that is selected elsewhere', async () => {
    expect((await cell(/^202/)).getAttribute('aria-selected')).toBe('true')
    expect((await cell(/^201/)).getAttribute('aria-selected')).toBe('false')
  })

  it('has one stop for the tabulator, at the selected unit', async () => {
    await cell(/^202/)
    const stops = screen.getAllByRole('gridcell').filter((one) => one.tabIndex === 0)
    await waitFor(() => expect(stops.map((one) => one.dataset['unit'])).toEqual(['202']))
  })

  it('moves by arrow keys and selects what is pressed', async () => {
    const from = await cell(/^202/)
    from.focus()
    fireEvent.keyDown(from, { key: 'ArrowUp' })
    await waitFor(() => expect(focused()).toBe('302'))
    fireEvent.keyDown(document.activeElement as Element, { key: 'ArrowRight' })
    await waitFor(() => expect(focused()).toBe('303'))
    fireEvent.click(document.activeElement as Element)
    expect(store.state.value.selection).toEqual({ building: 7, unit: 303 })
  })

  it('says kind and occupancy in words', async () => {
    expect((await cell(/^202/)).querySelector('.hidden')?.textContent).toBe('202，住宅，自住')
  })

  it('marks units with open alarms, in words too', async () => {
    const marked = await cell(/^304/)
    expect(marked.dataset['alarms']).toBe('2')
    expect(marked.querySelector('.hidden')?.textContent).toBe('304，住宅，自住，2 条未关闭告警')
    expect((await cell(/^303/)).dataset['alarms']).toBeUndefined()
  })

  it('isolates storeys by its slider', async () => {
    await cell(/^202/)
    const slider = screen.getByRole('slider') as HTMLInputElement
    slider.value = '1'
    fireEvent.input(slider)
    expect([store.state.value.isolation, store.state.value.storey]).toEqual(['upto', 1])
  })
})

describe('the card', () => {
  it('tells a unit as soon as it is selected', async () => {
    store.select({ building: 7, unit: 201 })
    await waitFor(() => expect(screen.getByTestId('address').textContent).toContain('1单元201室'))
    screen.getByText('88.5 m²')
    screen.getByText('运行次数')
    expect(screen.getByText('主卧').textContent).toBe('主卧14.6 m²')
    screen.getByText('厨房')
  })

  it('lists open alarms of a unit and of what serves it', async () => {
    store.select({ building: 7, unit: 304 })
    expect((await screen.findByTestId('alarms')).textContent).toContain('故障2单元电梯')
    store.select({ building: 7, unit: 303 })
    await waitFor(() => expect(screen.queryByTestId('alarms')).toBeNull())
  })

  it('shows residents for a purpose, and the reason without one', async () => {
    store.select({ building: 7, unit: 201 })
    await screen.findByText('张*')
    fireEvent.change(screen.getByRole('combobox', { name: /查询目的/ }), { target: { value: '' } })
    await screen.findByText('请说明目的。')
    expect(screen.queryByText('张*')).toBeNull()
  })

  it('speaks of the building when no unit is selected', async () => {
    store.select({ building: 7, unit: null })
    await waitFor(() => expect(screen.getByTestId('address').textContent).toBe('东莞市示范小区3栋'))
  })

  it('is closed by Escape', async () => {
    store.select({ building: 7, unit: 201 })
    await screen.findByTestId('address')
    fireEvent.keyDown(document.body, { key: 'Escape' })
    await waitFor(() => expect(screen.queryByTestId('address')).toBeNull())
  })
})

describe('the search', () => {
  it('suggests, and goes to what is chosen by keys', async () => {
    const input = screen.getByRole('combobox', { name: '搜索地址' })
    fireEvent.input(input, { target: { value: '示范' } })
    await screen.findByRole('option', { name: /202室/ })
    fireEvent.keyDown(input, { key: 'ArrowDown' })
    fireEvent.keyDown(input, { key: 'ArrowDown' })
    fireEvent.keyDown(input, { key: 'Enter' })
    await waitFor(() => expect(store.state.value.selection).toEqual({ building: 7, unit: 202 }))
    expect(asked.filter((one) => one.url.includes('suggest'))).toHaveLength(1)
  })

  it('marks what was typed and says what each is', async () => {
    const input = screen.getByRole('combobox', { name: '搜索地址' })
    fireEvent.input(input, { target: { value: 'sf3' } })
    const option = await screen.findByRole('option', { name: /202室/ })
    expect([...option.querySelectorAll('b')].map((one) => one.textContent)).toEqual(['示范', '2'])
    expect(option.querySelector('small')?.textContent).toBe('户室')
  })

  it('types on from a name that stands nowhere', async () => {
    const input = screen.getByRole<HTMLInputElement>('combobox', { name: '搜索地址' })
    fireEvent.input(input, { target: { value: 'sf' } })
    fireEvent.mouseDown(await screen.findByRole('option', { name: /示范社区/ }))
    await waitFor(() => expect(input.value).toBe('示范社区'))
    expect(store.state.value.selection.building).toBeNull()
  })
})

describe('the page', () => {
  it('changes its language with everything on it', async () => {
    fireEvent.click(screen.getByRole('button', { name: 'English' }))
    await screen.findByRole('heading', { name: 'Layers' })
    expect(document.documentElement.lang).toBe('en')
  })

  it('makes a selection a step in the history, and a layer none', () => {
    store.select({ building: 7, unit: null })
    store.setLayer('devices', false)
    expect(trail.map(([how]) => how)).toEqual(['push', 'replace'])
  })

  it('switches what is planned where there is any', async () => {
    const planned = { name: 'planned', url: '/tiles/3d/planned/tileset.json?v=1', features: 2 }
    const found = (): HTMLElement | null => screen.queryByRole('checkbox', { name: '规划建筑' })
    expect(found()).toBeNull()
    const known = store.city.value
    if (!known) throw new Error('no city')
    store.city.value = { ...known, tilesets: [{ ...planned, features: 0 } as (typeof known.tilesets)[0]] }
    await screen.findByRole('checkbox', { name: '建筑' })
    expect(found()).toBeNull()
    store.city.value = { ...known, tilesets: [planned as (typeof known.tilesets)[0]] }
    fireEvent.click(await screen.findByRole('checkbox', { name: '规划建筑' }))
    expect(store.state.value.layers.planned).toBe(false)
  })

  it('tells how to fill an empty city', async () => {
    expect((await screen.findByRole('heading', { name: '这里还没有城市' })).parentElement?.textContent)
      .toContain('cim load buildings')
  })

  it('selects the unit that was located, and the building alone where none is', async () => {
    await store.selectAt(7, 113, 23, 8)
    expect(store.state.value.selection).toEqual({ building: 7, unit: 202 })
    await store.selectAt(9, 113, 23, 8)
    expect(store.state.value.selection).toEqual({ building: 9, unit: null })
  })
})
