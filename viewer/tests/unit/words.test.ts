import { describe, expect, it } from 'vitest'
import { codeName, measure, moment, unitOfMeasure, WORDS } from '../../src/words'
import { CITY } from './fixtures'

describe('the dictionaries', () => {
  it('say something for every key in both languages', () => {
    const keys = Object.keys(WORDS.en).sort()
    expect(Object.keys(WORDS['zh-CN']).sort()).toEqual(keys)
    for (const words of Object.values(WORDS)) {
      for (const [key, word] of Object.entries(words)) expect(word, key).toBeTruthy()
    }
  })

  it('explain the same keys and gestures', () => {
    expect(WORDS.en.helpRows.length).toBe(WORDS['zh-CN'].helpRows.length)
  })

  it('name a code in the language, and show an unknown one as it is', () => {
    expect(codeName(CITY.legend['use'], 'residential', 'en')).toBe('Residential')
    expect(codeName(CITY.legend['use'], 'residential', 'zh-CN')).toBe('居住')
    expect(codeName(CITY.legend['use'], 'castle', 'en')).toBe('castle')
    expect(codeName(undefined, null, 'en')).toBe('–')
  })

  it('write numbers with their unit, and nothing for nothing', () => {
    expect(measure(1234.56, 'm²', 'en')).toBe('1,234.6 m²')
    expect(measure(null, 'm²', 'en')).toBe('–')
    expect(moment(null, 'en')).toBe('–')
    expect(['kW.h', 'm3', '1', 'lx', null].map(unitOfMeasure)).toEqual(['kWh', 'm³', '', 'lx', ''])
  })
})
