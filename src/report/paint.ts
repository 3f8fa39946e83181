import {Chalk, type ChalkInstance} from 'chalk'

const [plain, colored] = [new Chalk({level: 0}), new Chalk({level: 1})]

/** chalk with colours on or off as told, whatever the terminal is: the 16 colours that every terminal has. */
export const paint = (color: boolean): ChalkInstance => (color ? colored : plain)
