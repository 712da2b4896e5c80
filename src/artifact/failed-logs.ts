/** Failures of logs that nobody asked about, and logs that somebody did ask about. */
const unheard = new Map<{ name: string }, unknown>()
const heard = new WeakSet<{ name: string }>()

/** Keeps why an artifact was not logged, until somebody asks or the process ends. */
export function keepFailure(logged: { name: string }, error: unknown): void {
  if (!heard.has(logged)) unheard.set(logged, error)
}

/** Whoever asks what came of a log hears of its failure. */
export function hearFailure(logged: { name: string }): void {
  unheard.delete(logged)
  heard.add(logged)
}

// A script may end without `finish`: what was not logged is then told, and is not a success.
process.on('beforeExit', () => {
  for (const [{ name }, error] of unheard) {
    const { code, message } = error as Error & { code?: string }
    process.emitWarning(`the artifact "${name}" was not logged: ${message}`, { code })
    process.exitCode ||= 1
  }
  unheard.clear()
})
