import { ArtifactError } from '../../src/errors.js'
import { isAlgorithm } from '../../src/model/digest.js'
import { checkEntity } from '../../src/model/names.js'
import { checkRemoteUrl, readSettings, writeConfig } from '../../src/store/settings.js'
import { openStore } from '../../src/store/store.js'
import type { Context, Result } from '../context.js'

export async function init(
  options: { remote?: string; entity?: string; digest?: string },
  context: Context,
): Promise<Result> {
  const { digest } = options
  if (digest !== undefined && !isAlgorithm(digest)) {
    throw new ArtifactError('INVALID_CONFIG', `"${digest}" is no digest: xxh128, md5 or sha256`)
  }
  const changes = {
    ...(options.remote !== undefined && { remote: checkRemoteUrl(options.remote) }),
    ...(options.entity !== undefined && { entity: checkEntity(options.entity) }),
  }
  const { home } = readSettings(context.env)
  const store = openStore(home, { algorithm: digest })
  if (Object.keys(changes).length > 0) writeConfig(home, changes)
  const { remote, entity } = readSettings(context.env)
  const data = { home, storeId: store.id, digest: store.algorithm, remote, entity }
  await store.close()
  const target = remote === null ? 'no remote: versions stay here' : `remote ${remote}`
  return { data, text: `store ${home} (${data.digest}), ${target}` }
}
