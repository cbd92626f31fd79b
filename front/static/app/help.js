// What one can do here: keys, marks in the text, commands.

import { COMMANDS } from './commands.js';
import { openDialog } from './dialog.js';
import { el } from './dom.js';
import { USAGES } from './speaking.js';
import { t } from './words.js';

/** As it is printed on the keyboard in front of the reader. */
const CTRL = /Mac|iP(hone|ad)/.test(navigator.platform) ? '⌘' : 'Ctrl';

const KEYS = () => [
  [`${CTRL}+K`, t('help_switch')],
  [`${CTRL}+Shift+F`, t('search')],
  ['Alt+↑ Alt+↓', t('help_step')],
  ['Alt+Shift+↑ ↓', t('help_unread')],
  ['Enter', t('help_enter')],
  ['Shift+Enter', t('help_newline')],
  ['↑', t('help_edit_last')],
  ['Tab', t('help_complete')],
  ['Esc', t('help_escape')],
  ['?', t('help_help')],
];

const MARKUP = () => [
  [`**${t('help_bold')}**`, t('help_bold')],
  [`*${t('help_italic')}*`, t('help_italic')],
  [`~~${t('help_strike')}~~`, t('help_strike')],
  [`\`${t('help_code')}\``, t('help_code')],
  ['```', t('help_fence')],
  ['> …', t('help_quote')],
  ['- …  1. …', t('help_list')],
  ['https://…', t('help_link')],
];

/** @param {string} title @param {string[][]} lines @param {'kbd' | 'code'} kind */
const section = (title, lines, kind) =>
  el(
    'section',
    {},
    el('h3', {}, title),
    el('dl', {}, ...lines.flatMap(([what, means]) => [el('dt', {}, el(kind, {}, what)), el('dd', {}, means)])),
  );

export function openHelp() {
  openDialog(
    'help',
    t('help'),
    section(t('help_keys'), KEYS(), 'kbd'),
    section(t('help_markup'), MARKUP(), 'code'),
    section(t('commands'), COMMANDS.map((name) => USAGES[name]().split(' · ')), 'code'),
  );
}
