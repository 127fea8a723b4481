/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control of a running VM: QMP servers and their clients.
 *
 * All of it runs in the main thread, in the VM's loop, and nothing there waits
 * for a client: what one does not read is kept for it up to a limit, and past
 * that the client is dropped.
 */
#ifndef VIREO_CONTROL_CONTROL_H
#define VIREO_CONTROL_CONTROL_H

struct config;
struct control;
struct error;
struct vm;

/*
 * Makes the sockets of @cfg; clients can connect from then on and are answered
 * later.  The default one takes the VM's name in the runtime directory:
 * -EADDRINUSE if a VM of that name runs.  Without a name in @cfg, finds a free
 * one and sets it there.
 */
int control_open(struct control **control, struct config *cfg,
		 struct error *err);
/* @vm was created and is not running yet. */
int control_serve(struct control *control, struct vm *vm, struct error *err);
/*
 * Tells clients what they have not been told yet, for a bounded time, and
 * removes the sockets.  Before the VM is destroyed.
 */
void control_close(struct control *control);

#endif
