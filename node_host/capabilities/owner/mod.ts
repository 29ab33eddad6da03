/** Capabilities of the owner's own, each in a process of its own. */
export type { OwnerAllowance } from "./fenced_capability.ts";
export * from "./owner_capabilities.ts";
export { isOwnerPermission, MAX_OWNER_PERMISSIONS, PERMISSION_NOTATION } from "./owner_permission.ts";
export type { ProtectedPlaces } from "./protected_places.ts";
