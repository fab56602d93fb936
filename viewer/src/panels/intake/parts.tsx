/** What the parts of the intake's page are given, and a line that several have. */
import type { ComponentChildren } from 'preact'
import type { Desk } from '../../intake/desk'
import type { Store } from '../../store'

export interface Props { readonly store: Store; readonly desk: Desk }

/** A name and what stands beside it; `id` is that of the control. */
export function Line({ name, id, children }: { name: string; id: string; children: ComponentChildren }) {
  return <div><dt><label for={id}>{name}</label></dt><dd>{children}</dd></div>
}
