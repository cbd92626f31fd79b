// Presses the buttons that load what is not there when the reader comes near them. They stay buttons, for keyboards and
// for another try.

/** How near, above and below. */
const NEAR = '200px 0px';

/**
 * @param {object} options
 * @param {HTMLElement} options.scroller
 * @param {HTMLElement} options.list
 * @param {HTMLButtonElement} options.older
 */
export function createPager({ scroller, list, older }) {
  const cut = list.getElementsByClassName('cut');
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) /** @type {HTMLElement} */ (target.querySelector('button') ?? target).click();
      }
    },
    { root: scroller, rootMargin: NEAR },
  );

  return {
    /** The list has changed: what is still near is pressed again. @param {boolean} up Whether what is older belongs above. */
    look(up) {
      observer.disconnect();
      if (up) observer.observe(older);
      for (const hole of cut) observer.observe(hole);
    },
  };
}
