/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where debuggers connect, one at a time; in the VM's main loop.
 *
 * A debugger stops the guest with its first packet, not by connecting.  When
 * it is gone, in whatever way, the guest runs on without its breakpoints.
 */
#ifndef VIREO_GDB_SERVER_H
#define VIREO_GDB_SERVER_H

struct error;
struct gdb_config;
struct gdb_server;
struct vm;

/* Listens; @vm does not run yet. */
int gdb_server_new(struct gdb_server **server, struct vm *vm,
		   const struct gdb_config *cfg, struct error *err);
/* NULL is allowed. */
void gdb_server_free(struct gdb_server *server);

#endif
