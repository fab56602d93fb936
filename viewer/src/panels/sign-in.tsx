/** Who is signed in, signing in and out, and passwords, in a native dialog. */
import { useEffect, useRef } from 'preact/hooks'
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { Refusal } from '../api/client'
import type { Session } from '../api/types'
import type { Store } from '../store'

/** The button in the title: whose name, or that one may sign in; nothing in a demo. */
export function SignInButton({ store }: { store: Store }) {
  const session = store.session.value
  if (!session || session.demo) return null
  return (
    <button
      type="button" id="sign-in" aria-haspopup="dialog"
      onClick={() => { store.signing.value = true }}
    >
      {session.signed_in ? session.actor : store.t.value.signIn.title}
    </button>
  )
}

export function SignIn({ store }: { store: Store }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const open = store.signing.value || store.link.value !== null || store.session.value?.must_change === true
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal()
    if (!open) dialog.current?.close()
  }, [open])
  return (
    <dialog
      ref={dialog} class="panel help signing" aria-labelledby="signing-title"
      onClose={() => { store.signing.value = false; store.link.value = null }}
    >
      {open && <Inside store={store} />}
    </dialog>
  )
}

function Inside({ store }: { store: Store }) {
  const session = store.session.value
  if (store.link.value !== null) return <Welcome store={store} link={store.link.value} />
  if (session?.signed_in && session.must_change) return <Change store={store} forced />
  if (session?.signed_in) return <Signed store={store} session={session} />
  return <Enter store={store} />
}

type Send = (form: FormData) => Promise<Session>

/** A form that says in place what the service has against it. */
function Form(props: {
  store: Store; title: string; hint?: string; button: string; send: Send; done?: () => void
  children: ComponentChildren
}) {
  const { store } = props
  const refused = useSignal<string | null>(null)
  const busy = useSignal(false)
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    busy.value = true
    try {
      const session = await props.send(new FormData(form))
      store.signing.value = false
      store.link.value = null
      store.signedIn(session)
      props.done?.()
    } catch (error) {
      const english = store.state.value.language === 'en'
      refused.value = error instanceof Refusal ? (english ? error.en : error.zh) : String(error)
      form.querySelector<HTMLInputElement>('input[type=password]')?.select()
    } finally {
      busy.value = false
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      <h2 id="signing-title">{props.title}</h2>
      {props.hint && <p class="hint">{props.hint}</p>}
      {props.children}
      <p class="refused" role="alert">{refused.value}</p>
      <div class="deeds">
        <button type="submit" disabled={busy.value}>{props.button}</button>
        <button
          type="button"
          onClick={(event) => { event.currentTarget.closest('dialog')?.close() }}
        >
          {store.t.value.close}
        </button>
      </div>
    </form>
  )
}

function Field(props: {
  label: string; name: string; type?: 'text'; hint?: string; complete: string; optional?: boolean
}) {
  const given = {
    name: props.name, autocomplete: props.complete, required: !props.optional, maxLength: 256,
    placeholder: props.hint ?? '',
  }
  return (
    <label class="field">
      {props.label}
      {props.type === 'text' ? <input type="text" {...given} /> : <input type="password" {...given} />}
    </label>
  )
}

const said = (form: FormData, name: string): string => String(form.get(name) ?? '')

/** The new password, if it was written twice alike. */
function twice(store: Store, form: FormData): string {
  if (said(form, 'fresh') !== said(form, 'again')) {
    throw new Refusal(0, store.t.value.signIn.differ, store.t.value.signIn.differ)
  }
  return said(form, 'fresh')
}

function Enter({ store }: { store: Store }) {
  const t = store.t.value.signIn
  const elsewhere = store.session.value?.ways.elsewhere
  return (
    <Form
      store={store} title={t.title} button={t.enter}
      send={(form) => store.client.signIn(said(form, 'name'), said(form, 'password'), said(form, 'code'))}
    >
      <Field label={t.name} name="name" type="text" complete="username" />
      <Field label={t.password} name="password" complete="current-password" />
      <Field label={t.code} name="code" type="text" hint={t.codeHint} complete="one-time-code" optional />
      {elsewhere && (
        <p><a href={store.client.address('session/elsewhere')}>{t.elsewhere.replace('{0}', elsewhere)}</a></p>
      )}
    </Form>
  )
}

function Welcome({ store, link }: { store: Store; link: string }) {
  const t = store.t.value.signIn
  return (
    <Form
      store={store} title={t.welcome} hint={t.welcomeHint} button={t.save}
      send={(form) => store.client.redeem(link, twice(store, form))}
    >
      <Field label={t.fresh} name="fresh" complete="new-password" />
      <Field label={t.again} name="again" complete="new-password" />
    </Form>
  )
}

function Change({ store, forced = false }: { store: Store; forced?: boolean }) {
  const t = store.t.value.signIn
  return (
    <Form
      store={store} title={t.change} button={t.save} {...(forced ? { hint: t.mustChange } : {})}
      send={async (form) => {
        const fresh = twice(store, form)
        return store.client.changePassword(said(form, 'old'), fresh, said(form, 'code'))
      }}
      done={() => store.say(t.changed, t.changed)}
    >
      <Field label={t.old} name="old" complete="current-password" />
      <Field label={t.code} name="code" type="text" hint={t.codeHint} complete="one-time-code" optional />
      <Field label={t.fresh} name="fresh" complete="new-password" />
      <Field label={t.again} name="again" complete="new-password" />
    </Form>
  )
}

function Signed({ store, session }: { store: Store; session: Session }) {
  const t = store.t.value
  const changing = useSignal(false)
  if (changing.value) return <Change store={store} />
  const leave = async (): Promise<void> => {
    try {
      await store.client.signOut()
      store.signing.value = false
      store.signedIn(await store.client.session())
    } catch (error) {
      store.complain(error)
    }
  }
  return (
    <>
      <h2 id="signing-title">{session.actor}</h2>
      <p>{session.roles.length > 0 ? `${t.signIn.roles}: ${session.roles.join(', ')}` : t.signIn.noRoles}</p>
      <div class="deeds">
        <button type="button" onClick={() => void leave()}>{t.signIn.out}</button>
        <button type="button" onClick={() => { changing.value = true }}>{t.signIn.change}</button>
        <button type="button" onClick={() => { store.signing.value = false }}>{t.close}</button>
      </div>
    </>
  )
}
