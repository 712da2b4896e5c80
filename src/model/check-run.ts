import { checkProject, checkRunId } from './names.js'
import type { RunInfo } from './version.js'

/**
 * A run that came from outside, whose project and id become keys of a catalog.
 * @throws `INVALID_NAME`
 */
export function checkRun<T extends Pick<RunInfo, 'id' | 'project'>>(run: T): T {
  checkProject(run.project)
  checkRunId(run.id)
  return run
}
