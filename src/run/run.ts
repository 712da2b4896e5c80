import { randomInt } from 'node:crypto'
import { Artifact } from '../artifact/artifact.js'
import { type LogOptions, logArtifact } from '../artifact/log-artifact.js'
import type { LoggedArtifact } from '../artifact/logged-artifact.js'
import { recordUse } from '../artifact/record-use.js'
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
  /** Wait until the remote has everything that the run logged, and what it used. Default false. */
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
  /** By their ids, with what came of recording the use. */
  readonly #used = new Map<string, { version: LoggedArtifact; recorded: Promise<void> }>()

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

  /**
   * Finds a version by `[[ENTITY/]PROJECT/]NAME[:ALIAS|:vN|@ID]`, see `LoggedArtifact`, and records
   * that the run uses it: once a version, durable when `finish` resolves, and sent to the remote after
   * the version. In a store that is read-only it is used all the same, and nothing is recorded.
   */
  async useArtifact(name: string, options: { signal?: AbortSignal } = {}): Promise<LoggedArtifact> {
    const version = await useArtifact(this.#workspace, name, { project: this.project, ...options })
    if (!this.#used.has(version.id)) {
      const recorded = recordUse(this.#workspace, { ...this.info }, version)
      // `finish` tells of it.
      recorded.catch(() => {})
      this.#used.set(version.id, { version, recorded })
    }
    return version
  }

  /** The versions that were used so far, each once, in the order of their first use. */
  async usedArtifacts(): Promise<LoggedArtifact[]> {
    return [...this.#used.values()].map(({ version }) => version)
  }

  /**
   * The versions that were logged so far, each once; one that was `unchanged` too, and one that the
   * run had a part in, once that is finished. Those that were deleted since are left out.
   * @throws the first failure of a log; as `useArtifact`.
   */
  async loggedArtifacts(options: { signal?: AbortSignal } = {}): Promise<LoggedArtifact[]> {
    await Promise.all(this.#logged.map(logged => logged.committed))
    const { listOutputs } = await import('../artifact/list-outputs.js')
    return listOutputs(this.#workspace, this.info, options)
  }

  /**
   * Waits until everything logged, and every use, is durable here, and leaves the rest to artifactd.
   * @throws the first failure of a log or of recording a use; an `AggregateError` of all when there
   *   are several.
   */
  async finish({ wait = false, signal }: FinishOptions = {}): Promise<void> {
    const logs = await Promise.allSettled(this.#logged.map(logged => logged.committed))
    const uses = await Promise.allSettled([...this.#used.values()].map(({ recorded }) => recorded))
    const results = [...logs, ...uses]
    const failures = results.filter(result => result.status === 'rejected')
    if (failures.length === 1) throw failures[0]!.reason
    if (failures.length > 1) {
      const reasons = failures.map(({ reason }) => reason)
      throw new AggregateError(reasons, `${failures.length} logs and uses were not recorded`)
    }
    await ensureDaemon(this.#workspace)
    if (!wait) return
    const why = whyOffline(this.#workspace)
    if (why) throw new ArtifactError('NO_REMOTE', `the run cannot be waited for: ${why}`)
    for (const logged of this.#logged) await logged.wait({ signal })
    const { waitForUses } = await import('../artifact/wait-for-uses.js')
    await waitForUses(this.#workspace, this.info, { signal })
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
