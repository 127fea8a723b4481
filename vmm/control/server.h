/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to control/: the servers, their clients, and what commands find.
 *
 *              greeting              qmp_capabilities
 *   connected ----------> NEGOTIATES ----------------> is told of events
 *
 * A client's bytes are cut into messages, which wait in a queue; each turn of
 * the loop executes one of each client.  While the queue is full, or much waits
 * to be sent to the client, no more is read from it.
 *
 * A client that is gone is unlinked and its descriptors are closed at once; its
 * memory is freed in the loop's next turn, as callers may still hold it.
 */
#ifndef VIREO_CONTROL_SERVER_H
#define VIREO_CONTROL_SERVER_H

#include "../loop.h"
#include "../vm.h"
#include "message.h"
#include "qmp.h"
#include "socket.h"

#define CLIENTS_MAX 16	      /* of one VM */
#define CLIENT_QUEUE 8	      /* messages that wait */
#define CLIENT_FDS 16	      /* descriptors that it sent and did not name */
#define CLIENT_OUT_HIGH 65536 /* bytes to send: no more is read */
#define CLIENT_OUT_MAX (1U << 20) /* it is dropped */
#define NAMED_FDS_MAX 64

/* A descriptor that a client has given a name, by getfd or add-fd. */
struct named_fd {
	struct named_fd *next;
	int fd;		/* owns */
	char *name;	/* owns: fdname, or opaque, which may be NULL */
	json_int_t set; /* of add-fd */
};

/* Fails with -1 if @list has NAMED_FDS_MAX; takes @fd in any case. */
int named_fd_add(struct named_fd **list, int fd, const char *name,
		 json_int_t set);
void named_fd_del(struct named_fd **at);

struct backend;

struct client {
	struct qmp_session session;
	struct client *next;
	char label[24]; /* for the log */
	bool socket;
	bool in_ended; /* it has sent all that it will */
	bool closed;
	struct loop_fd in;  /* owns fd */
	struct loop_fd out; /* owns fd */
	struct loop_call work;

	char *buf;	 /* what came and is no message yet */
	size_t buf_head; /* what is before it is done with */
	size_t buf_len;
	size_t buf_size;
	struct message_scan scan;
	struct qmp_request queue[CLIENT_QUEUE];
	unsigned int queued;

	char *to_send;
	size_t to_send_len;
	size_t to_send_size;

	int fds[CLIENT_FDS]; /* owns */
	unsigned int nr_fds;
	struct named_fd *named;
};

static inline struct client *to_client(struct qmp_session *session)
{
	return (struct client *)session; /* its first member */
}

struct server {
	struct listener listener; /* its path is empty: a descriptor given */
	struct loop_fd watch;
	struct loop_timer retry;
	struct control *control;
	char target[RUNDIR_PATH_MAX + 16]; /* for people */
};

#define SERVERS_MAX 8

struct control {
	struct vm *vm; /* NULL until control_serve */
	struct server servers[SERVERS_MAX];
	unsigned int nr_servers;
	/* Connected from the start: accepted like others when it serves. */
	struct {
		int in, out;
		char target[RUNDIR_PATH_MAX + 16];
	} ready[SERVERS_MAX];
	unsigned int nr_ready;

	struct client *clients;
	unsigned int nr_clients;
	unsigned int next_client; /* numbers them */
	struct client *dead;
	struct loop_call bury;
	struct vm_listener listener;
	struct named_fd *fdsets;
	struct backend *backends; /* cmd_plug.c */
	time_t started;
};

/* client.c */
int client_new(struct control *control, int in, int out, struct error *err);
void client_close(struct client *client, const char *why);
void client_send(struct client *client, json_t *value);
/* Sends what can be sent without waiting. */
void client_flush(struct client *client);
void clients_bury(void *control);

/* events.c */
void control_on_vm(void *control, enum vm_event event, enum vm_cause cause);

#endif
