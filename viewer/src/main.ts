/** Joins the service, the state, the panels and the scene; nothing else does. */
import { effect } from '@preact/signals'
import { h, render } from 'preact'
import { createClient } from './api/client'
import { fromService } from './live'
import { App } from './panels/app'
import { decode, encode, INITIAL, type State } from './state'
import { createStore } from './store'
import './style/tokens.css'
import './style/panels.css'
import './style/grid.css'
import './style/alarms.css'
import './style/sign-in.css'

const options = new URLSearchParams(location.search)
const initial: State = {
  ...INITIAL,
  language: (localStorage.getItem('language') ?? navigator.language).startsWith('en') ? 'en' : 'zh-CN',
  theme: (localStorage.getItem('theme') ?? wished()) === 'dark' ? 'dark' : 'light',
}
const carried = new URLSearchParams(location.hash.slice(1)).get('link')
const link = (state: State): string => location.pathname + location.search + encode(state, initial)
const client = createClient(new URL('.', location.href).href, (input, init) => fetch(input, init))
const store = createStore(
  client,
  decode(location.hash, initial),
  {
    push: (state) => history.pushState(null, '', link(state)),
    replace: (state) => history.replaceState(null, '', link(state)),
  },
  carried,
  fromService(client),
)
// What sets a password stays neither in the address nor in the history.
if (carried) history.replaceState(null, '', link(store.state.value))

function wished(): string {
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
}

addEventListener('popstate', () => store.restore(decode(location.hash, initial)))
effect(() => {
  localStorage.setItem('language', store.state.value.language)
  localStorage.setItem('theme', store.state.value.theme)
})

const place = document.getElementById('app')
if (place) render(h(App, { store }), place)
void store.start()

// Cesium is a megabyte; the panels need not wait for it.
void import('./scene').then(({ createScene }) => createScene(store, {
  place: document.body,
  test: options.has('test'),
  lite: options.has('lite'),
}))
