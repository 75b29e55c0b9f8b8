/** The same keys, with texts of another language. */
export type Like<T> = { [K in keyof T]: T[K] extends string ? string : Like<T[K]> };
