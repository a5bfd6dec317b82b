export const first = [][0].id;
