/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal that the process was started on: raw while a VM uses it, as it
 * was afterwards.
 */
#ifndef VIREO_TERMINAL_H
#define VIREO_TERMINAL_H

/*
 * Puts the terminal behind @fd into raw mode; @fd must stay open until
 * terminal_restore.  From then on exit() restores it too.  -ENOTTY: not a
 * terminal; -EBUSY: one is raw already.
 */
int terminal_raw(int fd);

/* Async-signal-safe; does nothing unless a terminal is raw. */
void terminal_restore(void);

/* For SIGCONT: raw mode again, if it is to be raw.  Async-signal-safe. */
void terminal_resume(void);

#endif
