import { describe, expect, it } from 'vitest'
import { createClient, Refusal } from '../../src/api/client'
import { FLOORS, service } from './fixtures'

const at = 'http://city.test/sub/'

describe('the client', () => {
  it('asks below the address its page came from', async () => {
    const { ask, asked } = service()
    await createClient(at, ask).suggest('三栋 2', 5)
    expect(asked[0]?.url).toBe('http://city.test/sub/addresses/suggest?q=%E4%B8%89%E6%A0%8B+2&limit=5')
  })

  it('says the purpose in a header and never in the address', async () => {
    const { ask, asked } = service()
    const client = createClient(at, ask)
    expect((await client.card(202, null)).residents.shown).toBe(false)
    expect((await client.card(202, 'emergency')).residents.shown).toBe(true)
    expect(asked[1]?.headers.get('X-Purpose')).toBe('emergency')
    expect(asked.every((one) => !one.url.includes('emergency'))).toBe(true)
  })

  it('locates by heights above the ellipsoid', async () => {
    const { ask, asked } = service()
    await createClient(at, ask).locate(113.1, 23.2, -4.5)
    expect(new URL(asked[0]?.url ?? '').search).toBe('?lon=113.1&lat=23.2&h=-4.5&datum=ellipsoid')
  })

  it('hands on the sentence of a problem in both languages', async () => {
    const failure = await createClient(at, service().ask).building(8).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(Refusal)
    expect(failure).toMatchObject({ status: 404, en: 'No such building.', zh: '没有这栋楼。' })
  })

  it('says so when nothing answers', async () => {
    const dead = (() => Promise.reject(new TypeError('failed'))) as typeof fetch
    await expect(createClient(at, dead).city()).rejects.toMatchObject({ status: 0 })
  })

  it('passes an answer through as it is', async () => {
    expect(await createClient(at, service().ask).floorGrid(7)).toEqual(FLOORS)
  })
})
