import { openWorkspace, type Workspace } from '../src/artifact/workspace.js'
import type { HostPlace } from '../src/catalog/own-host.js'
import type { Progress } from '../src/store/progress.js'
import { readSettings, type Settings } from '../src/store/settings.js'

/** What a command is given besides its arguments. */
export interface Context {
  env: NodeJS.ProcessEnv
  /** Aborted by the first Ctrl-C. */
  signal: AbortSignal
  /** Draws progress on a terminal; does nothing elsewhere. */
  onProgress(progress: Progress): void
  /** A line for a person, on standard error; quiet with `--json`. */
  note(text: string): void
}

/** What a command came to: `data` is printed with `--json`, `text` without. */
export interface Result {
  data: unknown
  text: string
  /** Default 0. */
  exitCode?: number
}

/**
 * A command that is short, or waits for the catalog, spares its thread; one that works beside it for
 * long does not.
 */
export function openContext(
  { env }: Context,
  {
    change = () => ({}),
    hostPlace = 'here',
  }: { change?: (settings: Settings) => Partial<Settings>; hostPlace?: HostPlace } = {},
): Workspace {
  const settings = readSettings(env)
  return openWorkspace({ ...settings, ...change(settings) }, { hostPlace })
}
