import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/preact'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createClient } from '../../src/api/client'
import { createDesk, type Desk } from '../../src/intake/desk'
import type { Hearer, Sender } from '../../src/intake/sending'
import { Page } from '../../src/panels/intake'
import { INITIAL } from '../../src/state'
import { createStore, type Store } from '../../src/store'
import { FOUND, JOB } from './intake-fixtures'

/** The service as far as the intake asks it; what it is told is kept. */
function service(): { ask: typeof fetch; asked: { path: string; body: Record<string, unknown> }[]; jobs: Record<string, unknown>[] } {
  const asked: { path: string; body: Record<string, unknown> }[] = []
  const jobs: Record<string, unknown>[] = []
  const ask = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init)
    const path = new URL(request.url).pathname
    const body = request.method === 'POST' ? JSON.parse((await request.text()) || '{}') as Record<string, unknown> : {}
    asked.push({ path, body })
    if (path === '/kinds') {
      return Response.json({
        kinds: [
          { name: 'buildings', zh: '建筑', en: 'buildings', geometry: 'polygon', personal: false, fields: [] },
          { name: 'terrain', zh: '地形', en: 'terrain', geometry: null, personal: false, fields: [] },
        ],
        formats: ['.shp', '.csv'],
      })
    }
    if (path === '/imports/inspect') {
      const fields = (body['fields'] ?? {}) as Record<string, string | null>
      return Response.json({
        ...FOUND, crs: body['crs'] ?? null,
        mapping: FOUND.mapping.map((one) => (one.field in fields ? { ...one, column: fields[one.field], sure: 100 } : one)),
      })
    }
    if (path === '/imports' && request.method === 'POST') {
      jobs.push(body)
      return Response.json({ ...JOB, file: body['file'], group: body['group'], dry_run: body['dry_run'], state: 'waiting', step: null }, { status: 202 })
    }
    if (path === '/imports') return Response.json({ imports: [JOB], workers: 0 })
    if (path === '/imports/17') return Response.json({ ...JOB, state: 'waiting', step: null })
    if (path === '/imports/17/cancel') return Response.json({ ...JOB, state: 'cancelled' })
    return Response.json({ detail: 'No job has this id.', detail_zh: '没有这个任务。' }, { status: 404 })
  }
  return { ask: ask as typeof fetch, asked, jobs }
}

/** A line in the hands of the test. */
function line(): Sender & { readonly files: Map<string, { hearer: Hearer; starts: number }> } {
  const files = new Map<string, { hearer: Hearer; starts: number }>()
  return {
    files,
    known: async () => null,
    async send(file, _group, hearer) {
      const one = { hearer, starts: 0 }
      files.set(file.name, one)
      return { start: () => { one.starts += 1 }, pause: () => undefined }
    },
  }
}

let city: ReturnType<typeof service>
let wire: ReturnType<typeof line>
let store: Store
let desk: Desk

const file = (name: string): File => new File(['x'.repeat(10)], name)
const sent = async (name: string): Promise<void> => {
  await waitFor(() => expect(wire.files.get(name)?.starts).toBe(1))
  wire.files.get(name)?.hearer.done()
}
const drop = async (): Promise<void> => {
  store.dropped.value = [file('房屋.shp'), file('房屋.dbf'), file('notes.docx')]
  await sent('房屋.shp')
  await sent('房屋.dbf')
  await screen.findByRole('heading', { name: '位置' })
}

beforeEach(() => {
  city = service()
  wire = line()
  store = createStore(createClient('http://city.test/', city.ask), { ...INITIAL, page: 'intake' }, { push: () => undefined, replace: () => undefined })
  desk = createDesk(store, wire)
  render(<Page store={store} desk={desk} />)
})
afterEach(cleanup)

describe('the intake page', () => {
  it('takes the focus, lists the latest jobs, and says what belongs to nothing', async () => {
    expect(document.activeElement?.id).toBe('intake-title')
    await screen.findByRole('button', { name: /房屋.shp/ })
    store.dropped.value = [file('notes.docx')]
    await screen.findByText('格式不明，未读取：notes.docx')
    expect(wire.files.size).toBe(0)
  })

  it('sends one file after the other and goes on where the line was lost', async () => {
    store.dropped.value = [file('房屋.shp'), file('房屋.dbf')]
    await waitFor(() => expect(wire.files.get('房屋.shp')?.starts).toBe(1))
    expect(wire.files.has('房屋.dbf')).toBe(false)
    wire.files.get('房屋.shp')?.hearer.progress(4)
    wire.files.get('房屋.shp')?.hearer.lost()
    fireEvent.click(await screen.findByRole('button', { name: '重试' }))
    expect(wire.files.get('房屋.shp')?.starts).toBe(2)
    wire.files.get('房屋.shp')?.hearer.done()
    await sent('房屋.dbf')
  })

  it('shows why a file is refused, in the language of the page', async () => {
    store.dropped.value = [file('房屋.shp')]
    await waitFor(() => expect(wire.files.get('房屋.shp')?.starts).toBe(1))
    wire.files.get('房屋.shp')?.hearer.refused({ en: 'Too large.', zh: '文件过大。' })
    await screen.findByText('文件过大。')
    store.change({ language: 'en' })
    await screen.findByText('Too large.')
  })

  it('loads only once the coordinate system is chosen, and asks the service again for every wish', async () => {
    await drop()
    const button = (): HTMLButtonElement => screen.getByRole('button', { name: '试导入' })
    expect(button().disabled).toBe(true)
    fireEvent.click(screen.getByRole('radio', { name: /EPSG:4547/ }))
    await waitFor(() => expect(button().disabled).toBe(false))
    fireEvent.change(screen.getByRole('combobox', { name: '编号' }), { target: { value: '层数' } })
    await waitFor(() => expect(city.asked.at(-1)).toMatchObject({ path: '/imports/inspect', body: { fields: { ext_id: '层数' } } }))
    await waitFor(() => expect(button().disabled).toBe(false))
    fireEvent.click(button())
    await waitFor(() => expect(city.jobs).toHaveLength(1))
    expect(city.jobs[0]).toMatchObject({
      file: '房屋.shp', kind: 'buildings', crs: 'EPSG:4547', dry_run: true, source: '房屋',
      fields: { floors_above: '层数', ext_id: '层数' },
    })
    expect(store.state.value.job).toBe(17)
  })

  it('asks of a raster alone what its heights are above and when it was surveyed', async () => {
    await drop()
    expect(screen.queryByLabelText('高程基准')).toBeNull()
    fireEvent.change(screen.getByRole('combobox', { name: '导入为' }), { target: { value: 'terrain' } })
    fireEvent.change(screen.getByLabelText('高程基准'), { target: { value: 'egm96' } })
    await waitFor(() => expect(city.asked.at(-1)).toMatchObject({ path: '/imports/inspect', body: { kind: 'terrain', heights: 'egm96' } }))
    fireEvent.input(screen.getByLabelText('测量日期'), { target: { value: '2026-03-31' } })
    fireEvent.click(screen.getByRole('radio', { name: /EPSG:4547/ }))
    await waitFor(() => expect(screen.getByRole<HTMLButtonElement>('button', { name: '导入' }).disabled).toBe(false))
    fireEvent.click(screen.getByRole('button', { name: '导入' }))
    await waitFor(() => expect(city.jobs[0]).toMatchObject({ kind: 'terrain', heights: 'egm96', surveyed: '2026-03-31', dry_run: false }))
  })

  it('says that nobody runs a job that waits, and cancels it', async () => {
    store.open('intake', 17)
    await screen.findByText(/没有正在运行的导入程序/)
    fireEvent.click(screen.getByRole('button', { name: '取消任务' }))
    await screen.findByText('已取消：没有保存任何数据')
  })

  it('leads back from a job that there is not, with the service’s words', async () => {
    store.open('intake', 99)
    await screen.findByText(/没有这个任务/)
    expect(store.state.value).toMatchObject({ page: 'intake', job: null })
  })

  it('draws what was found only while it is open', async () => {
    await drop()
    expect(store.preview.value).not.toBeNull()
    store.open('city')
    expect(store.preview.value).toBeNull()
  })
})
