/** What storeys are called: 3, B1, 12A by number; others, such as Roof or 夹层, by a name. */

const NUMBERED = /^-?[A-Za-z]{0,2}\d+[A-Za-z]?$/

/** Whether a label is a number that the word for storey goes with. */
export const numbered = (label: string): boolean => NUMBERED.test(label)

/** How wide a label is, in digits: Chinese characters are two. */
export const breadth = (label: string): number =>
  [...label].reduce((sum, one) => sum + (one > '⺀' ? 2 : 1), 0)
