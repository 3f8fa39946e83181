import {homedir} from 'node:os'

import {EnvdriftError} from '../core/errors.ts'

/** @throws EnvdriftError FILE_UNREADABLE when somebody has removed the working directory. */
export function workingDirectory(): string {
  try {
    return process.cwd()
  } catch (cause) {
    throw new EnvdriftError('FILE_UNREADABLE', 'The working directory is not there any more', {
      suggestions: ['Change to a folder that is there, then run the command again.'],
      cause,
    })
  }
}

/** The working directory for words about paths: where there is none, paths stay whole. */
export function shownDirectory(): string {
  try {
    return process.cwd()
  } catch {
    return '/'
  }
}

/** @throws EnvdriftError CONFIG_INVALID for a user of whom the system knows none, as in some containers, without HOME. */
export function homeDirectory(): string {
  try {
    return homedir()
  } catch (cause) {
    throw new EnvdriftError('CONFIG_INVALID', 'HOME is not set, and the system knows no home directory of this user', {
      suggestions: ['Set HOME to a folder that this user may write to: HOME=/tmp/envdrift-home envdrift …'],
      cause,
    })
  }
}
