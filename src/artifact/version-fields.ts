import { ArtifactError } from '../errors.js'
import { type CollectionName, NO_NUMBER, type Version } from '../model/version.js'
import { checkEdits, type VersionEdits } from './check-edits.js'
import type { LogOutcome } from './log-artifact.js'

/**
 * What a version says of itself, and what of that can be assigned. Its fields can be read once it is
 * committed; before that they throw `ARTIFACT_NOT_LOGGED`.
 */
export class VersionFields implements CollectionName {
  readonly entity: string
  readonly project: string
  readonly name: string
  readonly type: string
  readonly #draftId: string
  #known: LogOutcome | undefined
  /** What was assigned and is not saved yet. */
  #edits: VersionEdits = {}

  /** @internal */
  constructor({ id, entity, project, name, type }: CollectionName & { id: string; type: string }) {
    this.#draftId = id
    this.entity = entity
    this.project = project
    this.name = name
    this.type = type
  }

  /** @internal What the log came to, or the version that was found; as of the last answer. */
  get outcome(): LogOutcome {
    if (this.#known) return this.#known
    throw new ArtifactError('ARTIFACT_NOT_LOGGED', `"${this.name}" is not committed yet`)
  }

  set outcome(outcome: LogOutcome) {
    this.#known = outcome
  }

  /** @internal A copy of what was assigned and is not saved. */
  get edits(): VersionEdits {
    return { ...this.#edits }
  }

  /** @internal These were saved, unless something else was assigned meanwhile. */
  dropEdits(saved: VersionEdits): void {
    for (const field of Object.keys(saved) as (keyof VersionEdits)[]) {
      if (this.#edits[field] === saved[field]) delete this.#edits[field]
    }
  }

  /**
   * Permanent, 32 hex digits, known at once; of content that was `unchanged` it is, once committed,
   * the id of the version that has the content.
   */
  get id(): string {
    return this.#known?.version.id ?? this.#draftId
  }

  /**
   * `v3`: provisional until the remote gave it, see `state`. A part of an open version, and a version
   * that is `closing`, have none: `ARTIFACT_NOT_LOGGED`.
   */
  get version(): string {
    return `v${this.number}`
  }

  /** @internal As of the last answer. */
  get row(): Version {
    return this.outcome.version
  }

  /** @internal As `version`; null when it has none. */
  get versionOrNull(): string | null {
    const { number } = this.row
    return number === NO_NUMBER ? null : `v${number}`
  }

  get number(): number {
    const { number, state } = this.row
    if (number !== NO_NUMBER) return number
    const why =
      state === 'closing'
        ? 'has no number until the remote has merged it: await `wait`'
        : 'is a part of an open version and has no number'
    throw new ArtifactError('ARTIFACT_NOT_LOGGED', `"${this.name}" ${why}`)
  }

  /** Hex, as W&B computes it. */
  get digest(): string {
    return this.row.digest
  }

  get size(): number {
    return this.row.size
  }

  get fileCount(): number {
    return this.row.fileCount
  }

  /** Assign another list, then `save`. `latest` is neither given nor taken. */
  get aliases(): string[] {
    return [...(this.#edits.aliases ?? this.row.aliases)]
  }

  set aliases(aliases: string[]) {
    this.#edit({ aliases })
  }

  /** Assign another list, then `save`. */
  get tags(): string[] {
    return [...(this.#edits.tags ?? this.row.tags)]
  }

  set tags(tags: string[]) {
    this.#edit({ tags })
  }

  /** Assign, then `save`. */
  get description(): string | null {
    const { description = this.row.description } = this.#edits
    return description
  }

  set description(description: string | null) {
    this.#edit({ description })
  }

  /** Assign another object, which replaces this one whole, then `save`. */
  get metadata(): Record<string, unknown> {
    return structuredClone(this.#edits.metadata ?? this.row.metadata)
  }

  set metadata(metadata: Record<string, unknown>) {
    this.#edit({ metadata })
  }

  get createdAt(): string {
    return this.row.createdAt
  }

  /** As of the last answer: `wait` and `committed` look again. */
  get state(): Version['state'] {
    return this.row.state
  }

  /** The store let its bytes go, or never had all of them, and fetches them when they are used. */
  get evicted(): boolean {
    return this.row.evicted !== undefined
  }

  /** The content was that of the latest version, which this then is. */
  get unchanged(): boolean {
    return this.outcome.unchanged
  }

  /** `entity/project/name:vN`. */
  get qualifiedName(): string {
    return `${this.entity}/${this.project}/${this.name}:${this.version}`
  }

  #edit(edits: { [Field in keyof VersionEdits]: unknown }): void {
    Object.assign(this.#edits, checkEdits(edits))
  }
}
