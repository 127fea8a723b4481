/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper of a machine in a strict sandbox: the process that was started.
 *
 *   keeper    waits, passes signals on ......... removes the names of sockets
 *   machine   opens, says its name, enters the sandbox ... ends
 *
 * It is what others know: who ends it ends the machine, and its exit status is
 * the machine's.  The machine has a session of its own, so that a signal to a
 * terminal's or shell's group comes once, by the keeper.
 *
 * The machine cannot remove a file any more when it ends, so the keeper does:
 * it has the same configuration, and all that it hears from the machine, before
 * that is locked in, is the name.
 */
#ifndef VIREO_SANDBOX_KEEPER_H
#define VIREO_SANDBOX_KEEPER_H

struct config;
struct error;

/*
 * 0 in the machine's process, which is to call keeper_tell with *@tell_fd.  1 in
 * the keeper when the machine has ended: *@status is the exit status.
 */
int keeper_fork(const struct config *cfg, int *tell_fd, int *status,
		struct error *err);
/* The machine's name; closes @fd. */
int keeper_tell(int fd, const char *name, struct error *err);

#endif
