/** The longest name of a capability, in characters. */
export const MAX_CAPABILITY_NAME_CHARACTERS = 64;

/** How a capability is named, wherever one is asked for, granted, declared or ordered: like `system.health`. */
export const CAPABILITY_NAME = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/;
