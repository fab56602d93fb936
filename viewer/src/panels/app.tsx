/** All panels over the canvas; none of them knows how the city is drawn. */
import type { ComponentType } from 'preact'
import { useEffect } from 'preact/hooks'
import { useSignal } from '@preact/signals'
import type { Store, Tab } from '../store'
import { Alarms, toggle } from './alarms'
import { Card } from './card'
import { DeviceCard } from './devices'
import { Floors } from './floors'
import { Help } from './help'
import { Layers } from './layers'
import { Empty, HoverLabel, Messages } from './notices'
import { SignIn } from './sign-in'
import { Title } from './title'

export function App({ store }: { store: Store }) {
  const { language, theme, selection, page } = store.state.value
  const open = page === 'intake' && store.mayLoad.value
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
    <div class={`app tab-${store.tab.value} ${selection.building === null ? '' : 'selected'} ${page !== 'city' && store.mayLoad.value ? 'importing' : ''}`}>
      <Title store={store} />
      <Tabs store={store} />
      <div class="left" role="complementary" aria-label={store.t.value.layers}>
        <Layers store={store} />
        <Floors store={store} />
      </div>
      <aside class="right" aria-label={store.t.value.properties}>
        <Alarms store={store} />
        <DeviceCard store={store} />
        <Card store={store} />
      </aside>
      <Intake store={store} open={open} />
      {page === 'quality' && store.mayLoad.value && <QualityPage store={store} />}
      <Empty store={store} />
      <HoverLabel store={store} />
      <Messages store={store} />
      <Help store={store} />
      <SignIn store={store} />
    </div>
  )
}

/** The page on data quality, fetched when it is first wanted. */
function QualityPage({ store }: { store: Store }) {
  const Page = useSignal<ComponentType | null>(null)
  useEffect(() => {
    import('./quality').then(({ createQuality }) => { Page.value = createQuality(store) }, store.complain)
  }, [])
  return Page.value && <Page.value />
}

/** The page where files are brought in, fetched when it is first wanted; files may be dropped anywhere. */
function Intake({ store, open }: { store: Store; open: boolean }) {
  const Page = useSignal<ComponentType | null>(null)
  const dragged = useSignal(false)
  const may = store.mayLoad.value
  useEffect(() => {
    if (!open || Page.value) return
    import('./intake').then(
      ({ createIntake }) => { Page.value = createIntake(store) },
      (error: unknown) => store.say(String(error), String(error), 'error'),
    )
  }, [open])
  useEffect(() => {
    if (!may) return
    const has = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false
    const over = (event: DragEvent): void => {
      if (!has(event)) return
      event.preventDefault()
      dragged.value = true
    }
    const leave = (event: DragEvent): void => { if (event.relatedTarget === null) dragged.value = false }
    const drop = (event: DragEvent): void => {
      if (!has(event)) return
      event.preventDefault()
      dragged.value = false
      store.dropped.value = [...(event.dataTransfer?.files ?? [])]
      store.open('intake')
    }
    addEventListener('dragover', over)
    addEventListener('dragleave', leave)
    addEventListener('drop', drop)
    return () => {
      removeEventListener('dragover', over)
      removeEventListener('dragleave', leave)
      removeEventListener('drop', drop)
    }
  }, [may])
  return (
    <>
      {open && Page.value && <Page.value />}
      {dragged.value && <p class="dropping" aria-hidden="true">{store.t.value.intake.dropNow}</p>}
    </>
  )
}

/** On a narrow screen the panels share one sheet at the bottom. */
function Tabs({ store }: { store: Store }) {
  const t = store.t.value
  const names: readonly [Tab, string, boolean][] = [
    ['layers', t.layers, true],
    ['floors', t.floorGrid, store.floors.value !== null],
    ['alarms', t.alarmList.title, store.state.value.alarms],
    ['card', t.properties, store.state.value.selection.building !== null || store.live.device.value !== null],
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
    const { page, alarms, selection } = store.state.value
    if (page !== 'city') store.open('city')
    else if (store.live.device.value !== null) store.live.device.value = null
    else if (alarms && selection.building === null) toggle(store, true)
    else store.select({ building: null, unit: null })
  } else if (typing || event.altKey || event.ctrlKey || event.metaKey) {
    return
  } else if (event.key === '?') {
    store.help.value = true
  } else if (event.key === 'a') {
    toggle(store, true)
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
