import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/preact'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createClient } from '../../src/api/client'
import type { Heard } from '../../src/api/live'
import type { Alarm } from '../../src/api/types'
import { App } from '../../src/panels/app'
import { INITIAL } from '../../src/state'
import { createStore, type Store } from '../../src/store'
import { service, SESSION } from './fixtures'

const alarm = (id: number, more: Partial<Alarm> = {}): Alarm => ({
  id, kind: '故障', severity: 3, state: 'open', message: { zh: `3栋${id}号电梯：电梯故障`, en: `lift ${id}: lift fault` }, ended: null,
  begun: `2026-03-20T07:3${id}:00Z`, acknowledged: null, device: { id: 70 + id, name: null, class: { code: 'lift', zh: '电梯', en: 'lift' } },
  place: { text: '3栋', building_id: 7, lon: 113, lat: 23, height: 5 }, affected: { units: 2, buildings: [7] }, ...more,
} as unknown as Alarm)

let store: Store
let heard: Heard
let acts: [string, unknown][]

beforeEach(async () => {
  const fake = service()
  const lines: Heard[] = []
  acts = []
  const ask = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const [, id, what] = /\/alarms\/(\d+)(?:\/(\w+))?$/.exec(String(input)) ?? []
    if (!id) return fake.ask(input, init)
    if (what) acts.push([`${id} ${what}`, init?.body ? JSON.parse(String(init.body)) : null])
    const ended = what === 'false' ? '2026-03-20T08:00:00Z' : null
    const acknowledged = what === 'acknowledge' ? '2026-03-20T08:00:00Z' : null
    return Response.json({ ...alarm(Number(id), { ended, acknowledged }), units: [], history: [] })
  }
  store = createStore(
    createClient('http://city.test/', ask), { ...INITIAL, alarms: true }, { push: () => undefined, replace: () => undefined }, null,
    (one) => { lines.push(one); return { ask: () => undefined } },
  )
  await store.start()
  store.session.value = { ...SESSION, scopes: [...SESSION.scopes, 'alarms.write'] }
  heard = lines[0] ?? {}
  heard.link?.('socket')
  heard.alarms?.([alarm(1), alarm(2, { severity: 4 }), alarm(3, { severity: 1 })])
  render(<App store={store} />)
})
afterEach(cleanup)

const rows = (): (string | undefined)[] => [...document.querySelectorAll<HTMLElement>('[data-alarm]')].map((one) => one.dataset['alarm'])
const button = (name: string | RegExp, at = 0): HTMLElement => screen.getAllByRole('button', { name })[at] as HTMLElement

describe('the list of alarms', () => {
  it('has the worst first, and those that are wanted', async () => {
    expect(rows()).toEqual(['2', '1', '3'])
    fireEvent.change(screen.getByRole('combobox', { name: '级别' }), { target: { value: '3' } })
    await waitFor(() => expect(rows()).toEqual(['2', '1']))
    fireEvent.input(screen.getByRole('searchbox', { name: /筛选/ }), { target: { value: '3栋 1号' } })
    await waitFor(() => expect(rows()).toEqual(['1']))
    expect(screen.getByRole('heading', { name: /告警 1 \/ 3/ })).toBeTruthy()
  })

  it('is walked through with arrows, and goes there', () => {
    const first = button(/2号电梯/)
    first.focus()
    fireEvent.keyDown(first, { key: 'ArrowDown' })
    expect(document.activeElement?.textContent).toContain('1号电梯')
    fireEvent.click(document.activeElement as Element)
    expect([store.live.focus.value, store.state.value.selection.building]).toEqual([1, 7])
    fireEvent.keyDown(document.body, { key: 'Escape' })
    expect(store.state.value.selection.building).toBeNull()
    fireEvent.keyDown(document.body, { key: 'Escape' })
    expect(store.state.value.alarms).toBe(false)
    expect(document.activeElement?.id).toBe('open-alarms')
  })

  it('has one taken on with a note', async () => {
    fireEvent.click(button('受理'))
    fireEvent.input(await screen.findByRole('textbox', { name: '备注' }), { target: { value: ' 已派人 ' } })
    fireEvent.click(button('确认受理'))
    expect(await screen.findByText('已受理')).toBeTruthy()
    expect(acts).toEqual([['2 acknowledge', { note: '已派人' }]])
    await waitFor(() => expect(document.activeElement).toBe(button(/2号电梯/))) // the form is gone, the keyboard goes on
  })

  it('has a mistake undone', async () => {
    fireEvent.click(button('受理'))
    fireEvent.click(await screen.findByRole('button', { name: '误报' }))
    await waitFor(() => expect(rows()).toEqual(['1', '3']))
    const undo = await screen.findByRole('button', { name: '撤销' })
    await waitFor(() => expect(document.activeElement).toBe(undo))
    fireEvent.click(undo)
    await waitFor(() => expect(rows()).toContain('2'))
    await waitFor(() => expect(document.activeElement).toBe(button(/2号电梯/)))
    expect(acts.map(([act]) => act)).toEqual(['2 false', '2 reopen'])
  })

  it('says what is grave and new wherever one looks, once', async () => {
    heard.alarm?.([{ entry: 9, what: 'begin', at: 0, alarm: alarm(5, { severity: 2 }) }])
    expect(store.message.value).toBeNull()
    heard.alarm?.([{ entry: 10, what: 'begin', at: 0, alarm: alarm(4) }])
    expect((await screen.findByText('新告警：3栋4号电梯：电梯故障')).closest('[role=status]')).not.toBeNull()
    store.message.value = null
    heard.alarm?.([{ entry: 10, what: 'begin', at: 0, alarm: alarm(4) }])
    expect(store.message.value).toBeNull()
  })

  it('says when it may be old, and by what way it is heard', async () => {
    expect(screen.getByText(/实时：附近 0 台设备/)).toBeTruthy()
    heard.link?.('cut')
    expect(await screen.findByText(/列表可能不是最新/)).toBeTruthy()
    expect(screen.getByText(/实时已中断/)).toBeTruthy()
    heard.link?.('events')
    expect(await screen.findByText(/已改用 SSE/)).toBeTruthy()
  })
})

describe('a device whose symbol was clicked', () => {
  it('says what it measures now, and goes with Escape', async () => {
    store.live.kinds.value = []
    store.setView({ lon: 113, lat: 23, h: 300, heading: 0, pitch: -90 })
    heard.streams?.({
      id: [1], device_id: [10], class: ['street_lamp'], property: ['power'], name: ['power'], zh: ['功率'], en: ['power'],
      unit: ['kW'], interval_s: [60], bind_type: [null], bind_id: [null], building_id: [null],
    })
    heard.readings?.([[1, Date.now(), 0.25]])
    store.live.device.value = { id: 10, name: '7号路灯', kind: 'street_lamp', faulty: false }
    const card = (await screen.findByRole('heading', { name: '7号路灯' })).closest('section') as HTMLElement
    await waitFor(() => expect(card.textContent).toContain('0.25 kW'))
    expect(card.textContent).toContain('在线')
    heard.link?.('cut')
    await waitFor(() => expect(card.textContent).toContain('实时中断'))
    fireEvent.keyDown(document.body, { key: 'Escape' })
    await waitFor(() => expect(screen.queryByRole('heading', { name: '7号路灯' })).toBeNull())
  })
})
