import type { Entry } from './entry.js'

/**
 * One path that two versions do not have in common. `before` is the entry of the first, `after`
 * that of the second; `path` is that of `after` where there is one.
 */
export type Change =
  | { kind: 'added'; path: string; after: Entry }
  | { kind: 'removed'; path: string; before: Entry }
  /** Anything of the entry differs: content, size, URI, or what else is recorded of it. */
  | { kind: 'changed'; path: string; before: Entry; after: Entry }
  /** The content of `from`, which is no path of the second version, at a path that is new there. */
  | { kind: 'moved'; path: string; from: string; before: Entry; after: Entry }
