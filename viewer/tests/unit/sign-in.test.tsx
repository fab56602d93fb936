import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/preact'
import { afterEach, describe, expect, it } from 'vitest'
import { createClient, Refusal } from '../../src/api/client'
import type { Heard } from '../../src/api/live'
import type { Session } from '../../src/api/types'
import { App } from '../../src/panels/app'
import { INITIAL } from '../../src/state'
import { createStore, type Store } from '../../src/store'
import { service, SESSION } from './fixtures'

const NOBODY: Session = {
  ...SESSION, actor: null, roles: [], scopes: [], purposes: [], demo: false, default_purpose: null,
}
const WANG: Session = {
  ...NOBODY, actor: 'wang', roles: ['residents'], scopes: ['residents.read'], signed_in: true,
  until: '2026-11-22T20:00:00Z', csrf: 'proof',
}

interface Desk { store: Store; asked: Request[]; line: Heard; become(next: Session): void }

/** A service where wang may sign in, over the small building's. */
function desk(carried: string | null = null, session: Session = NOBODY): Desk {
  const { ask } = service()
  const asked: Request[] = []
  let now = session
  const told = (status: number, body: unknown): Response => new Response(JSON.stringify(body), { status })
  const here = (async (input: RequestInfo | URL, init?: RequestInit) => {
    const request = new Request(input, init)
    asked.push(request.clone())
    if (!new URL(request.url).pathname.startsWith('/session')) return ask(input, init)
    if (request.method === 'GET') return told(200, now)
    if (request.method === 'DELETE') {
      now = NOBODY
      return new Response(null, { status: 204 })
    }
    const body = (await request.json()) as Record<string, string>
    if (body['password'] !== 'right' && body['old'] !== 'right') return told(401, { detail: 'No.', detail_zh: '不行。' })
    now = WANG
    return told(200, now)
  }) as typeof fetch
  const trail = { push: () => undefined, replace: () => undefined }
  const lines: Heard[] = []
  const listen = (one: Heard) => { lines.push(one); return { ask: () => undefined } }
  const store = createStore(createClient('http://city.test/', here), INITIAL, trail, carried, listen)
  return { store, asked, line: lines[0] ?? {}, become: (next) => { now = next } }
}

const write = (label: RegExp, value: string): void => {
  fireEvent.input(screen.getByLabelText(label), { target: { value } })
}

afterEach(cleanup)

describe('signing in', () => {
  it('asks for name and password, and sends what the session gave with every change', async () => {
    const { store, asked } = desk()
    await store.start()
    render(<App store={store} />)
    fireEvent.click(screen.getByRole('button', { name: '登录' }))
    write(/^账户/, 'wang')
    write(/^密码/, 'wrong')
    fireEvent.submit(screen.getByLabelText(/^账户/).closest('form') as HTMLFormElement)
    expect((await screen.findByText('不行。')).getAttribute('role')).toBe('alert')
    write(/^密码/, 'right')
    fireEvent.submit(screen.getByLabelText(/^账户/).closest('form') as HTMLFormElement)
    await screen.findByRole('button', { name: 'wang' })
    expect(store.signing.value).toBe(false)
    await store.client.cancel(1).catch(() => undefined)
    expect(asked.at(-1)?.headers.get('X-CSRF-Token')).toBe('proof')
    expect(asked.every((one) => !one.url.includes('right'))).toBe(true)
  })

  it('asks the card anew once somebody is signed in, and when they are out', async () => {
    const { store, asked } = desk()
    await store.start()
    store.select({ building: 7, unit: 202 })
    await waitFor(() => expect(store.card.value).not.toBeNull())
    const cards = (): number => asked.filter((one) => one.url.includes('/card')).length
    const before = cards()
    store.signedIn(await store.client.signIn('wang', 'right', ''))
    await waitFor(() => expect(cards()).toBe(before + 1))
    await store.client.signOut()
    store.signedIn(await store.client.session())
    await waitFor(() => expect(cards()).toBe(before + 2))
    expect(store.mayLoad.value).toBe(false)
  })

  it('is followed where it ended while the page only listened, and asked of nobody else', async () => {
    const { store, asked, line, become } = desk(null, { ...WANG, scopes: ['residents.read', 'alarms.write'] })
    await store.start()
    render(<App store={store} />)
    await screen.findByRole('button', { name: 'wang' })
    const sessions = (): number => asked.filter((one) => one.url.endsWith('/session')).length
    line.who?.({ actor: 'wang', scopes: ['alarms.write', 'residents.read'] })
    expect(sessions()).toBe(1) // to ask is a use of the session, which would never be over
    become(WANG)
    line.who?.({ actor: 'wang', scopes: ['residents.read'] })
    await screen.findByText(/身份或权限已变更/)
    expect(store.session.value?.scopes).toEqual(['residents.read'])
    become(NOBODY)
    line.who?.({ actor: null, scopes: [] })
    await screen.findByText(/已退出登录/)
    expect(screen.queryByRole('button', { name: 'wang' })).toBeNull()
    expect(screen.getByRole('button', { name: '登录' })).toBeTruthy()
    line.who?.({ actor: null, scopes: [] })
    expect(sessions()).toBe(3)
  })

  it('is asked about where something is refused', async () => {
    const { store, become } = desk(null, WANG)
    await store.start()
    become(NOBODY)
    store.complain(new Refusal(403, 'No.', '不行。'))
    await waitFor(() => expect(store.session.value?.actor).toBeNull())
    expect(store.message.value?.zh).toMatch(/已退出登录/)
  })

  it('sets a password by a link, written twice alike', async () => {
    const { store, asked } = desk('token-of-a-link')
    await store.start()
    render(<App store={store} />)
    await screen.findByText('设置密码')
    write(/^新密码/, 'right')
    write(/^再次输入/, 'other')
    const form = screen.getByLabelText(/^新密码/).closest('form') as HTMLFormElement
    fireEvent.submit(form)
    await screen.findByText('两次输入的密码不一致。')
    expect(asked.some((one) => one.url.endsWith('/session/link'))).toBe(false)
    write(/^再次输入/, 'right')
    fireEvent.submit(form)
    await screen.findByRole('button', { name: 'wang' })
    expect(store.link.value).toBeNull()
  })

  it('has a password changed that ran out before anything else', async () => {
    const { store } = desk(null, { ...WANG, must_change: true })
    await store.start()
    render(<App store={store} />)
    await screen.findByText('密码已过期，请设置新密码。')
  })

  it('is not offered in a demo', async () => {
    const { store } = desk(null, SESSION)
    await store.start()
    render(<App store={store} />)
    expect(screen.queryByRole('button', { name: '登录' })).toBeNull()
  })
})
