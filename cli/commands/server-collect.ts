import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { ArtifactError } from '../../src/errors.js'
import { homePaths } from '../../src/model/home.js'
import { openStore } from '../../src/store/store.js'
import { cleanStore } from '../../src/sync/clean-store.js'
import type { Context, Result } from '../context.js'
import { formatBytes } from '../format.js'

export async function serverCollect(
  { data: folder, dryRun = false }: { data: string; dryRun?: boolean },
  { signal }: Context,
): Promise<Result> {
  const home = resolve(folder)
  if (!existsSync(homePaths(home).store)) {
    throw new ArtifactError('INVALID_CONFIG', `there is no server's store in ${home}: see --data`)
  }
  const store = openStore(home)
  try {
    const { bytesBefore, bytesAfter } = await cleanStore(store, { dryRun, signal })
    const freedBytes = bytesBefore - bytesAfter
    const freed = `${formatBytes(freedBytes)} ${dryRun ? 'would be freed' : 'freed'}`
    const data = { home, bytesBefore, bytesAfter, freedBytes, dryRun }
    return { data, text: `${freed}, ${formatBytes(bytesAfter)} left in ${home}` }
  } finally {
    await store.close()
  }
}
