// Elements from names, attributes and children. Text becomes text nodes: nothing here can parse HTML.

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes] `onclick` and its kin listen; `false`, `null` and `undefined` are left out.
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * The element of an id that the template promises.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * Says a person's colour, as an angle made of their id. The names beside it carry the meaning; the colour only helps.
 * @param {HTMLElement} element
 * @param {string} user
 */
export function tint(element, user) {
  // FNV-1a, so that ids which differ in one letter lie far apart on the circle.
  let hash = 0x811c9dc5;
  for (let i = 0; i < user.length; i += 1) hash = Math.imul(hash ^ user.charCodeAt(i), 0x01000193) >>> 0;
  element.style.setProperty('--hue', String(hash % 360));
  return element;
}
