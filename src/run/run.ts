import { randomInt } from 'node:crypto'
import { Artifact } from '../artifact/artifact.js'
import { type LogOptions, logArtifact } from '../artifact/log-artifact.js'
import type { LoggedArtifact } from '../artifact/logged-artifact.js'
import {
  type FinishArtifactOptions,
  finishArtifact,
  type UpsertOptions,
  upsertArtifact,
} from '../artifact/upsert-artifact.js'
import { useArtifact } from '../artifact/use-artifact.js'
import { ensureDaemon, openWorkspace, type Workspace, whyOffline } from '../artifact/workspace.js'
import { ArtifactError } from '../errors.js'
import { checkEntity, checkProject } from '../model/names.js'
import type { RunInfo } from '../model/version.js'
import { checkRemoteUrl, readSettings, type Settings } from '../store/settings.js'

export interface InitOptions {
  /** Default: `ARTIFACT_PROJECT`, config.json, "uncategorized". */
  project?: string
  /** Default: `ARTIFACT_ENTITY`, config.json, the remote's default. */
  entity?: string
  /** Default: `ARTIFACT_HOME`, else the platform's data folder. */
  home?: string
  /** Default: `ARTIFACT_REMOTE`, config.json. */
  remote?: string
  /** Default: `ARTIFACT_MODE`, else `online`. */
  mode?: Settings['mode']
  name?: string
  jobType?: string
  group?: string
}

export interface FinishOptions {
  /** Wait until the remote has everything that the run logged. Default false. */
  wait?: boolean
  signal?: AbortSignal
}

/**
 * Begins a run: a piece of work in a project that logs versions and uses versions. Needs no
 * network. With a remote, artifactd is started in the background if it does not run.
 */
export async function init(options: InitOptions = {}): Promise<Run> {
  const settings = readSettings(process.env, { home: options.home })
  const workspace = openWorkspace({
    ...settings,
    ...(options.remote !== undefined && { remote: checkRemoteUrl(options.remote) }),
    ...(options.entity !== undefined && { entity: checkEntity(options.entity) }),
    ...(options.mode !== undefined && { mode: options.mode }),
  })
  const project = checkProject(options.project ?? settings.project)
  const info: RunInfo = {
    id: randomRunId(),
    project,
    ...(options.name !== undefined && { name: options.name }),
    ...(options.jobType !== undefined && { jobType: options.jobType }),
    ...(options.group !== undefined && { group: options.group }),
  }
  await ensureDaemon(workspace)
  return new Run(workspace, info)
}

/** See {@link init}. `await using` finishes it at the end of its block. */
export class Run implements AsyncDisposable {
  readonly info: Readonly<RunInfo>
  readonly #workspace: Workspace
  readonly #logged: LoggedArtifact[] = []

  /** @internal */
  constructor(workspace: Workspace, info: RunInfo) {
    this.#workspace = workspace
    this.info = info
  }

  get id(): string {
    return this.info.id
  }

  get project(): string {
    return this.info.project
  }

  /**
   * Logs an artifact and returns at once; versions of a name are numbered in the order of the
   * calls. `latest` moves to it. Content that is identical to the latest version makes no new one.
   * @throws `INVALID_ALIAS`, `INVALID_TAG`, `ARTIFACT_FINALIZED`. Whatever goes wrong later rejects
   *   `committed`, `wait` and `finish`.
   */
  logArtifact(artifact: Artifact, options: LogOptions = {}): LoggedArtifact {
    if (!(artifact instanceof Artifact)) throw new TypeError('logArtifact takes an Artifact')
    const target = { project: this.project, run: { ...this.info } }
    return this.#keep(logArtifact(this.#workspace, artifact, { ...target, ...options }))
  }

  /**
   * Adds an artifact's content to the version that all runs of the group build together; it comes
   * to be with `finishArtifact`. Runs may be of any number of processes and machines.
   * @throws `GROUP_REQUIRED` without a group of the run and a `distributedId`; as `logArtifact`.
   *   After the finish `committed` rejects with `ARTIFACT_FINALIZED`.
   */
  upsertArtifact(artifact: Artifact, options: UpsertOptions = {}): LoggedArtifact {
    if (!(artifact instanceof Artifact)) throw new TypeError('upsertArtifact takes an Artifact')
    const target = { project: this.project, run: { ...this.info } }
    return this.#keep(upsertArtifact(this.#workspace, artifact, { ...target, ...options }))
  }

  /**
   * Adds an artifact's content as `upsertArtifact` does, and makes one version of all that the group
   * upserted; from then on nothing can be added to it. With a remote it is usable here at once by
   * its id, and has a number once the remote has merged what all machines sent (`wait`).
   * @throws as `upsertArtifact`. `committed` rejects with `ENTRY_CONFLICT` where two runs have
   *   different content at one path.
   */
  finishArtifact(artifact: Artifact, options: FinishArtifactOptions = {}): LoggedArtifact {
    if (!(artifact instanceof Artifact)) throw new TypeError('finishArtifact takes an Artifact')
    const target = { project: this.project, run: { ...this.info } }
    return this.#keep(finishArtifact(this.#workspace, artifact, { ...target, ...options }))
  }

  /** Finds a version by `[[ENTITY/]PROJECT/]NAME[:ALIAS|:vN|@ID]`; see `LoggedArtifact`. */
  useArtifact(name: string, options: { signal?: AbortSignal } = {}): Promise<LoggedArtifact> {
    return useArtifact(this.#workspace, name, { project: this.project, ...options })
  }

  /**
   * Waits until everything logged is durable here, and leaves the rest to artifactd.
   * @throws the first failure of a log; an `AggregateError` of all when there are several.
   */
  async finish({ wait = false, signal }: FinishOptions = {}): Promise<void> {
    const results = await Promise.allSettled(this.#logged.map(logged => logged.committed))
    const failures = results.filter(result => result.status === 'rejected')
    if (failures.length === 1) throw failures[0]!.reason
    if (failures.length > 1) {
      const reasons = failures.map(({ reason }) => reason)
      throw new AggregateError(reasons, `${failures.length} artifacts were not logged`)
    }
    await ensureDaemon(this.#workspace)
    if (!wait) return
    const why = whyOffline(this.#workspace)
    if (why) throw new ArtifactError('NO_REMOTE', `the run cannot be waited for: ${why}`)
    for (const logged of this.#logged) await logged.wait({ signal })
  }

  #keep(logged: LoggedArtifact): LoggedArtifact {
    this.#logged.push(logged)
    return logged
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.finish()
  }
}

/** Eight letters and digits, as W&B's runs have. */
function randomRunId(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
  return Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join('')
}
