/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GDB's remote serial protocol, spoken to one client about a target whose
 * threads are vCPUs.  All of them stop together (all-stop mode).
 *
 *              a packet             c, s, vCont
 *   DETACHED ------------> STOPPED -------------> RUNNING
 *      ^                    |   ^                    |
 *      +--------------------+   +--------------------+
 *            D, the end           stopped, interrupt
 *
 * Thread N of the protocol is vCPU N - 1.  Main thread only.
 */
#ifndef VIREO_GDB_STUB_H
#define VIREO_GDB_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

struct cpu_regs;

/* The numbers of Z packets; Z3, to watch reads alone, no x86 can do. */
enum gdb_point {
	GDB_POINT_SOFTWARE,
	GDB_POINT_HARDWARE,
	GDB_WATCH_WRITE,
	GDB_WATCH_READ,
	GDB_WATCH_ACCESS,
};

enum gdb_action { GDB_STAY, GDB_CONTINUE, GDB_STEP };

/* Signals as GDB numbers them. */
#define GDB_SIGINT 2
#define GDB_SIGTRAP 5
#define GDB_SIGSEGV 11
#define GDB_SIGTERM 15

struct gdb_stop {
	unsigned int cpu;
	int signal;
	bool at_point; /* because of one of kind point; of watches, at addr */
	enum gdb_point point;
	uint64_t addr;
};

/* What is debugged.  Functions return 0 or -errno unless they say else. */
struct gdb_target_ops {
	unsigned int (*nr_cpus)(void *target);
	/* Stops it; what it stopped for is told. */
	void (*attach)(void *target, struct gdb_stop *why);
	/* Forgets all breakpoints; lets it run if the debugger stopped it. */
	void (*detach)(void *target);
	bool (*runs)(void *target);
	/* One action for each vCPU. */
	int (*resume)(void *target, const enum gdb_action *actions);
	void (*interrupt)(void *target);
	void (*kill)(void *target);
	void (*reset)(void *target);

	int (*get_regs)(void *target, unsigned int cpu, struct cpu_regs *regs);
	int (*set_regs)(void *target, unsigned int cpu,
			const struct cpu_regs *regs);
	/* As @cpu sees addresses; return how many bytes it was. */
	size_t (*read)(void *target, unsigned int cpu, uint64_t addr, void *buf,
		       size_t len);
	size_t (*write)(void *target, unsigned int cpu, uint64_t addr,
			const void *buf, size_t len);
	int (*insert)(void *target, unsigned int cpu, enum gdb_point point,
		      uint64_t addr, uint64_t len);
	int (*remove)(void *target, enum gdb_point point, uint64_t addr,
		      uint64_t len);
	/* All about it, for people. */
	void (*describe)(void *target, unsigned int cpu, char *buf,
			 size_t size);
};

struct gdb_stub {
	const struct gdb_target_ops *ops;
	void *target;
	/* Takes a whole frame, or drops the client. */
	void (*send)(void *opaque, const char *frame, size_t len);
	void *opaque;

	struct gdb_framer in;
	struct gdb_body out;
	bool binary; /* out is to be escaped */
	char frame[GDB_FRAME_MAX];
	size_t frame_len; /* what RESEND asks for */
	char *xml;

	bool attached;
	bool waiting; /* the client, for the target to stop */
	bool no_ack;
	bool tells_breaks; /* swbreak and hwbreak are understood */
	unsigned int cpu;  /* that registers and memory are about */
	int cont_cpu;	   /* that c and s are about; -1: all */
	struct gdb_stop stop;
};

/* -ENOMEM; all else is set here. */
int gdb_stub_init(struct gdb_stub *s);
void gdb_stub_destroy(struct gdb_stub *s);
/* A new client, which finds a detached stub. */
void gdb_stub_connected(struct gdb_stub *s);
/* The client is gone. */
void gdb_stub_disconnected(struct gdb_stub *s);

/* May send a frame and an acknowledgement. */
void gdb_stub_byte(struct gdb_stub *s, uint8_t byte);

/* The target has stopped; it has ended, by a signal unless that is 0. */
void gdb_stub_stopped(struct gdb_stub *s, const struct gdb_stop *stop);
void gdb_stub_ended(struct gdb_stub *s, int signal);

#endif
