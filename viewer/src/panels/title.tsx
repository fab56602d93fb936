/** The bar at the top: whose city, the search, and what concerns the whole page. */
import type { Store } from '../store'
import { AlarmsButton } from './alarms'
import { Search } from './search'
import { SignInButton } from './sign-in'

export function Title({ store }: { store: Store }) {
  const t = store.t.value
  const { language, theme } = store.state.value
  const copy = (): void => {
    const words = [t.copied, t.notCopied] as const
    const copied = navigator.clipboard?.writeText(location.href) ?? Promise.reject(new Error('none'))
    copied.then(() => store.say(words[0], words[0]), () => store.say(words[1], words[1]))
  }
  return (
    <header class="panel title">
      <h1>{store.city.value?.name || t.title}</h1>
      <Search store={store} />
      <nav aria-label={t.help} class="buttons">
        <AlarmsButton store={store} />
        {store.mayLoad.value && (
          <button
            type="button" id="open-intake" aria-expanded={store.state.value.page === 'intake'}
            onClick={() => store.open(store.state.value.page === 'intake' ? 'city' : 'intake')}
          >
            {t.intake.title}
          </button>
        )}
        {store.mayLoad.value && (
          <button
            type="button" id="open-quality" class="wide" aria-expanded={store.state.value.page === 'quality'}
            onClick={() => store.open(store.state.value.page === 'quality' ? 'city' : 'quality')}
          >
            {t.quality.title}
          </button>
        )}
        <SignInButton store={store} />
        <button
          type="button" lang={language === 'en' ? 'zh-CN' : 'en'}
          onClick={() => store.change({ language: language === 'en' ? 'zh-CN' : 'en' })}
        >
          {t.switchLanguage}
        </button>
        <button
          type="button" onClick={() => store.change({ theme: theme === 'light' ? 'dark' : 'light' })}
        >
          {theme === 'light' ? t.dark : t.light}
        </button>
        <button type="button" class="wide" onClick={copy}>{t.copyLink}</button>
        <button
          type="button" class="icon" aria-label={t.help} title={`${t.help} (?)`}
          onClick={() => { store.help.value = true }}
        >
          ?
        </button>
      </nav>
    </header>
  )
}
