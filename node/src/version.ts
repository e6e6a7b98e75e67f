/** The version of this package, as it is in package.json. */
export const VERSION = "0.2.0";
