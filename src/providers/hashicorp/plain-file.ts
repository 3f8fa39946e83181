import {EnvdriftError} from '../../core/errors.ts'
import {readAnyTextFile} from '../../system/files.ts'

/** The text of a file, or why there is none, as the end of the sentence "the file … ". */
type PlainFile =
  | {readonly text: string}
  | {readonly text: undefined; readonly isMissing: boolean; readonly why: string; readonly cause?: unknown}

/** Reads a regular file of at most 1 MiB, symlinks followed. Never waits: nobody may ever write into a pipe. */
export async function plainFile(path: string): Promise<PlainFile> {
  try {
    const read = await readAnyTextFile(path)
    return read === undefined ? {text: undefined, isMissing: true, why: 'is not there'} : {text: read.text}
  } catch (cause) {
    const code = cause instanceof EnvdriftError ? cause.code : undefined
    return {text: undefined, isMissing: false, why: reasons[code ?? ''] ?? 'could not be read', cause}
  }
}

const reasons: Readonly<Record<string, string>> = {
  NOT_A_FILE: 'is no regular file (a pipe, a device or a folder is not read)',
  FILE_TOO_LARGE: 'is larger than 1 MiB',
}
