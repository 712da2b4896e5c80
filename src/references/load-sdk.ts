import { ArtifactError, systemCode } from '../errors.js'

/**
 * Loads the client of a cloud, which users install only if they need it.
 * @throws `PACKAGE_MISSING`, naming the package.
 */
export async function loadSdk<T>(packageName: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    if (systemCode(cause) !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new ArtifactError(
      'PACKAGE_MISSING',
      `${packageName} is not installed: npm i ${packageName}`,
      { cause, details: { package: packageName } },
    )
  }
}
