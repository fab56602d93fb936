/** The address search: suggestions as one types, chosen by mouse or keys. */
import { useEffect, useRef } from 'preact/hooks'
import { useSignal } from '@preact/signals'
import type { FoundItem } from '../api/types'
import type { Store } from '../store'

const PAUSE_MS = 120
const LONGEST = 100

export function Search({ store }: { store: Store }) {
  const text = useSignal('')
  const items = useSignal<readonly FoundItem[] | null>(null)
  const at = useSignal(-1)
  const last = useRef(new AbortController())
  const t = store.t.value

  useEffect(() => {
    last.current.abort()
    const q = text.value.trim()
    if (q.length < 1) { items.value = null; return }
    const mine = (last.current = new AbortController())
    const timer = setTimeout(() => {
      store.client.suggest(q, 12, mine.signal).then(
        (found) => { items.value = found.items; at.value = -1 },
        () => { if (!mine.signal.aborted) items.value = [] },
      )
    }, PAUSE_MS)
    return () => clearTimeout(timer)
  }, [text.value])

  const choose = (item: FoundItem | undefined): void => {
    if (!item) return
    // A name that stands nowhere yet is typed on from.
    if (item.building_id === null && item.lon === null) { text.value = item.text; return }
    text.value = ''
    items.value = null
    void store.go(item)
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const n = items.value?.length ?? 0
    if (event.key === 'ArrowDown' && n > 0) at.value = (at.value + 1) % n
    else if (event.key === 'ArrowUp' && n > 0) at.value = (at.value - 1 + n) % n
    else if (event.key === 'Enter') choose(items.value?.[Math.max(0, at.value)])
    else if (event.key === 'Escape' && items.value) items.value = null
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  const open = items.value !== null
  return (
    <search class="search">
      <input
        id="search" type="search" role="combobox" list={undefined} autocomplete="off" spellcheck={false}
        maxLength={LONGEST} aria-label={t.search} placeholder={t.searchHint} aria-expanded={open} aria-controls="found"
        aria-autocomplete="list"
        aria-activedescendant={at.value >= 0 ? `found-${at.value}` : undefined}
        value={text.value} onKeyDown={onKeyDown}
        onInput={(event) => { text.value = event.currentTarget.value }}
        onBlur={() => setTimeout(() => { items.value = null }, 150)}
      />
      <ul id="found" role="listbox" aria-label={t.search} class={open ? 'found' : 'found closed'}>
        {items.value?.map((item, index) => (
          <li
            key={`${item.level} ${item.id} ${item.unit_id} ${item.text}`} id={`found-${index}`} role="option" aria-selected={index === at.value}
            aria-label={`${item.text} ${t.addressLevels[item.level] ?? ''}`}
            onMouseDown={(event) => { event.preventDefault(); choose(item) }}
          >
            <Marked text={item.text} marks={item.marks} />
            <small>{t.addressLevels[item.level] ?? ''}</small>
          </li>
        ))}
      </ul>
      {open && items.value?.length === 0 && <p class="found nothing" role="status">{t.nothingFound}</p>}
    </search>
  )
}

/** The text with what was typed in bold; marks count characters, as people do. */
function Marked({ text, marks }: { text: string; marks: FoundItem['marks'] }) {
  const marked = new Set(marks.flatMap(([begin, end]) => Array.from({ length: end - begin }, (_, n) => begin + n)))
  const runs: { words: string; bold: boolean }[] = []
  Array.from(text).forEach((char, at) => {
    const bold = marked.has(at)
    const last = runs.at(-1)
    if (last?.bold === bold) last.words += char
    else runs.push({ words: char, bold })
  })
  return <span>{runs.map(({ words, bold }, n) => (bold ? <b key={n}>{words}</b> : words))}</span>
}
