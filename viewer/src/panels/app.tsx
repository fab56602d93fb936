/** All panels over the canvas; none of them knows how the city is drawn. */
import { useEffect } from 'preact/hooks'
import type { Store, Tab } from '../store'
import { Card } from './card'
import { Floors } from './floors'
import { Help } from './help'
import { Layers } from './layers'
import { Empty, HoverLabel, Messages } from './notices'
import { Title } from './title'

export function App({ store }: { store: Store }) {
  const { language, theme, selection } = store.state.value
  const name = store.city.value?.name || store.t.value.title
  useEffect(() => {
    document.documentElement.lang = language
    document.documentElement.dataset['theme'] = theme
    document.title = name
  }, [language, theme, name])
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => shortcut(event, store)
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  return (
    <div class={`app tab-${store.tab.value} ${selection.building === null ? '' : 'selected'}`}>
      <Title store={store} />
      <Tabs store={store} />
      <div class="left" role="complementary" aria-label={store.t.value.layers}>
        <Layers store={store} />
        <Floors store={store} />
      </div>
      <aside class="right" aria-label={store.t.value.properties}>
        <Card store={store} />
      </aside>
      <Empty store={store} />
      <HoverLabel store={store} />
      <Messages store={store} />
      <Help store={store} />
    </div>
  )
}

/** On a narrow screen the panels share one sheet at the bottom. */
function Tabs({ store }: { store: Store }) {
  const t = store.t.value
  const names: readonly [Tab, string, boolean][] = [
    ['layers', t.layers, true],
    ['floors', t.floorGrid, store.floors.value !== null],
    ['card', t.properties, store.state.value.selection.building !== null],
  ]
  return (
    <nav class="tabs" aria-label={t.tabs}>
      {names.filter(([, , there]) => there).map(([tab, name]) => (
        <button
          key={tab} type="button" aria-pressed={store.tab.value === tab}
          onClick={() => { store.tab.value = store.tab.value === tab ? 'none' : tab }}
        >
          {name}
        </button>
      ))}
    </nav>
  )
}

function shortcut(event: KeyboardEvent, store: Store): void {
  const typing = event.target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)
  if (event.key === 'Escape' && !store.help.value) {
    store.select({ building: null, unit: null })
  } else if (typing || event.altKey || event.ctrlKey || event.metaKey) {
    return
  } else if (event.key === '?') {
    store.help.value = true
  } else if (event.key === '/') {
    document.getElementById('search')?.focus()
    event.preventDefault()
  } else if (event.key === '[' || event.key === ']') {
    stepStorey(store, event.key === ']' ? 1 : -1)
  }
}

/** Show the next storey up or down of the selected building. */
function stepStorey(store: Store, by: number): void {
  const nos = (store.floors.value?.storeys ?? []).map((one) => one.no).reverse()
  if (nos.length === 0) return
  const { isolation, storey } = store.state.value
  const at = isolation === 'all' ? nos.length - 1 : nos.indexOf(storey)
  const no = nos[Math.min(nos.length - 1, Math.max(0, at + by))]
  if (no !== undefined) store.isolate(isolation === 'only' ? 'only' : 'upto', no)
}
