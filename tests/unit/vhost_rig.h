/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user backend in a thread: it takes the rings of a device, and gives
 * each chain back with its first byte written, or keeps it.
 */
#ifndef TEST_VHOST_RIG_H
#define TEST_VHOST_RIG_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "vhost/message.h"
#include "virtio_rig.h"

#define BACKEND_RINGS 4
#define BACKEND_USED_LEN 77

/* What is wrong with its reply to the request fault_at. */
enum fault {
	FAULT_NONE,
	FAULT_REQUEST, /* to another request */
	FAULT_FLAGS,   /* no reply at all */
	FAULT_SHORT,
	FAULT_LONG,
	FAULT_CUT, /* it ends in the middle */
	FAULT_VALUE,
};

struct backend_ring {
	bool on;
	uint32_t num;
	uint16_t next;
	struct vhost_vring_addr addr;
	int kick, call;
};

struct backend {
	/* As the test has set them before it starts. */
	uint64_t features, protocol, nr_queues;
	uint8_t config[VHOST_CONFIG_MAX];
	bool keeps; /* chains */
	enum fault fault;
	uint32_t fault_at;

	char dir[32], path[64];
	int listener, conn, stop_fd;
	pthread_t thread;
	pthread_mutex_t lock; /* of what the test reads, which is the rest */
	uint64_t acked;
	struct vu_memory memory;
	uint8_t *maps[MEM_MAX_BLOCKS];
	struct backend_ring rings[BACKEND_RINGS];
	unsigned int seen[64]; /* requests */
	unsigned int taken;    /* chains */
	dev_t inflight_dev;
	ino_t inflight_ino;
};

static inline void *backend_ptr(const struct backend *b, uint64_t user)
{
	const struct vu_region *r;
	unsigned int i;

	for (i = 0; i < b->memory.nr; i++) {
		r = &b->memory.regions[i];
		if (user >= r->user_addr && user - r->user_addr < r->size)
			return b->maps[i] + r->offset + (user - r->user_addr);
	}
	fail_msg("%#llx is in no region", (unsigned long long)user);
	return NULL;
}

static inline uint8_t *backend_guest(const struct backend *b, uint64_t gpa)
{
	const struct vu_region *r = b->memory.regions;

	assert_true(gpa - r->gpa < r->size);
	return b->maps[0] + r->offset + (gpa - r->gpa);
}

static inline void backend_ring_serve(struct backend *b, struct backend_ring *r)
{
	const struct vring_desc *desc = backend_ptr(b, r->addr.desc_user_addr);
	const struct vring_avail *avail =
		backend_ptr(b, r->addr.avail_user_addr);
	struct vring_used *used = backend_ptr(b, r->addr.used_user_addr);
	uint16_t head;

	while (r->next != __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE)) {
		head = avail->ring[r->next++ % r->num];
		b->taken++;
		if (b->keeps)
			continue;
		*backend_guest(b, desc[head].addr) = 'V';
		used->ring[used->idx % r->num] =
			(struct vring_used_elem){ head, BACKEND_USED_LEN };
		__atomic_store_n(&used->idx, used->idx + 1, __ATOMIC_RELEASE);
		eventfd_write(r->call, 1);
	}
}

static inline void backend_reply(struct backend *b, uint32_t request,
				 const void *payload, uint32_t size, int fd)
{
	struct vu_header head = { request, VU_VERSION | VU_REPLY, size };
	uint8_t room[512] = { 0 };
	struct iovec iov[] = { { &head, sizeof(head) }, { room, size } };
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = "";
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct cmsghdr *c;

	memcpy(room, payload, size);
	if (b->fault && b->fault_at == request) {
		head.request += b->fault == FAULT_REQUEST;
		if (b->fault == FAULT_FLAGS)
			head.flags = VU_VERSION;
		/* The ring's number is right. */
		if (b->fault == FAULT_VALUE && request == VU_GET_VRING_BASE)
			memset(room + 4, 0x7f, size - 4);
		else if (b->fault == FAULT_VALUE)
			memset(room, 0x7f, size);
		head.size += b->fault == FAULT_LONG;
		head.size -= b->fault == FAULT_SHORT;
		if (b->fault == FAULT_CUT)
			iov[1].iov_len = size / 2;
		else
			iov[1].iov_len = head.size;
	}
	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	sendmsg(b->conn, &msg, MSG_NOSIGNAL);
	if (b->fault == FAULT_CUT && b->fault_at == request)
		shutdown(b->conn, SHUT_RDWR);
}

static inline void backend_reply_u64(struct backend *b, uint32_t request,
				     uint64_t value)
{
	backend_reply(b, request, &value, sizeof(value), -1);
}

static inline void backend_map(struct backend *b, const struct vu_memory *m,
			       const int *fds)
{
	unsigned int i;

	b->memory = *m;
	assert_in_range(m->nr, 1, MEM_MAX_BLOCKS);
	for (i = 0; i < m->nr; i++) {
		b->maps[i] =
			mmap(NULL, m->regions[i].size + m->regions[i].offset,
			     PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0);
		assert_true(b->maps[i] != MAP_FAILED);
		close(fds[i]);
	}
}

/* A GET: true; it has been answered. */
static inline bool backend_get(struct backend *b, uint32_t request,
			       union vu_payload *p)
{
	struct backend_ring *r;
	struct stat st;
	int fd;

	switch (request) {
	case VU_GET_FEATURES:
		backend_reply_u64(b, request, b->features);
		return true;
	case VU_GET_PROTOCOL_FEATURES:
		backend_reply_u64(b, request, b->protocol);
		return true;
	case VU_GET_QUEUE_NUM:
		backend_reply_u64(b, request, b->nr_queues);
		return true;
	case VU_GET_CONFIG:
		memcpy(p->config.data, b->config, p->config.size);
		backend_reply(b, request, p, VU_CONFIG_HEADER + p->config.size,
			      -1);
		return true;
	case VU_GET_VRING_BASE:
		r = &b->rings[p->state.index];
		r->on = false;
		p->state.num = r->next;
		backend_reply(b, request, p, sizeof(p->state), -1);
		return true;
	case VU_GET_INFLIGHT_FD:
		fd = memfd_create("inflight", MFD_CLOEXEC);
		assert_false(ftruncate(fd, 4096) || fstat(fd, &st));
		b->inflight_dev = st.st_dev;
		b->inflight_ino = st.st_ino;
		p->inflight.size = 4096;
		p->inflight.offset = 0;
		backend_reply(b, request, p, sizeof(p->inflight), fd);
		close(fd);
		return true;
	default:
		return false;
	}
}

static inline void backend_set(struct backend *b, uint32_t request,
			       const union vu_payload *p, const int *fds)
{
	struct backend_ring *r = &b->rings[p->state.index % BACKEND_RINGS];
	struct stat st;

	switch (request) {
	case VU_SET_FEATURES:
		b->acked = p->u64;
		break;
	case VU_SET_MEM_TABLE:
		backend_map(b, &p->memory, fds);
		break;
	case VU_SET_VRING_NUM:
		r->num = p->state.num;
		break;
	case VU_SET_VRING_BASE:
		r->next = (uint16_t)p->state.num;
		break;
	case VU_SET_VRING_ADDR:
		r->addr = p->addr;
		break;
	case VU_SET_VRING_KICK:
		r->kick = fds[0];
		break;
	case VU_SET_VRING_CALL:
		r->call = fds[0];
		break;
	case VU_SET_VRING_ENABLE:
		r->on = p->state.num;
		if (r->on)
			break;
		close(r->kick);
		close(r->call);
		break;
	case VU_SET_INFLIGHT_FD:
		assert_false(fstat(fds[0], &st));
		assert_true(st.st_dev == b->inflight_dev &&
			    st.st_ino == b->inflight_ino);
		close(fds[0]);
		break;
	}
}

/* False at the end. */
static inline bool backend_message(struct backend *b)
{
	union vu_payload p = { .u64 = 0 };
	struct vu_header head;
	struct iovec iov = { &head, sizeof(head) };
	char control[CMSG_SPACE(2 * sizeof(int))] __attribute__((aligned(8)));
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fds[MEM_MAX_BLOCKS] = { -1, -1 };
	struct cmsghdr *c;

	if (recvmsg(b->conn, &msg, 0) != sizeof(head))
		return false;
	c = CMSG_FIRSTHDR(&msg);
	if (c)
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	assert_true(head.size <= sizeof(p));
	if (head.size &&
	    recv(b->conn, &p, head.size, MSG_WAITALL) != (ssize_t)head.size)
		return false;
	assert_in_range(head.request, 1, 63);
	b->seen[head.request]++;
	if (backend_get(b, head.request, &p))
		return true;
	backend_set(b, head.request, &p, fds);
	if (head.flags & VU_NEED_REPLY)
		backend_reply_u64(b, head.request, 0);
	return true;
}

static inline void *backend_main(void *opaque)
{
	struct backend *b = opaque;
	struct pollfd fds[3 + BACKEND_RINGS];
	struct backend_ring *r;
	eventfd_t count;
	unsigned int i;
	bool there = true;

	b->conn = -1;
	for (;;) {
		fds[0] = (struct pollfd){ b->stop_fd, POLLIN, 0 };
		fds[1] = (struct pollfd){ b->conn < 0 ? b->listener : -1,
					  POLLIN, 0 };
		fds[2] = (struct pollfd){ there ? b->conn : -1, POLLIN, 0 };
		for (i = 0; i < BACKEND_RINGS; i++) {
			r = &b->rings[i];
			fds[3 + i] = (struct pollfd){ r->on ? r->kick : -1,
						      POLLIN, 0 };
		}
		poll(fds, 3 + BACKEND_RINGS, -1);
		if (fds[0].revents)
			break;
		pthread_mutex_lock(&b->lock);
		if (fds[1].revents)
			b->conn = accept(b->listener, NULL, NULL);
		if (fds[2].revents)
			there = backend_message(b);
		for (i = 0; i < BACKEND_RINGS; i++) {
			r = &b->rings[i];
			if (!fds[3 + i].revents || !r->on)
				continue;
			eventfd_read(r->kick, &count);
			backend_ring_serve(b, r);
		}
		pthread_mutex_unlock(&b->lock);
	}
	return NULL;
}

static inline void backend_start(struct backend *b)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	signal(SIGPIPE, SIG_IGN);
	if (!*b->dir) {
		strcpy(b->dir, "/tmp/vireo-test-vhost-XXXXXX");
		assert_non_null(mkdtemp(b->dir));
		snprintf(b->path, sizeof(b->path), "%s/s", b->dir);
	}
	strcpy(sa.sun_path, b->path);
	b->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_false(bind(b->listener, (struct sockaddr *)&sa, sizeof(sa)) ||
		     listen(b->listener, 1));
	b->stop_fd = eventfd(0, 0);
	memset(b->rings, 0, sizeof(b->rings));
	pthread_mutex_init(&b->lock, NULL);
	assert_false(pthread_create(&b->thread, NULL, backend_main, b));
}

/* It goes, and leaves all as it is. */
static inline void backend_stop(struct backend *b)
{
	unsigned int i;

	eventfd_write(b->stop_fd, 1);
	pthread_join(b->thread, NULL);
	for (i = 0; i < BACKEND_RINGS; i++) {
		if (b->rings[i].on) {
			close(b->rings[i].kick);
			close(b->rings[i].call);
		}
	}
	for (i = 0; i < b->memory.nr; i++)
		munmap(b->maps[i],
		       b->memory.regions[i].size + b->memory.regions[i].offset);
	b->memory.nr = 0;
	close(b->stop_fd);
	close(b->listener);
	if (b->conn >= 0)
		close(b->conn);
	unlink(b->path);
}

static inline void backend_free(struct backend *b)
{
	backend_stop(b);
	rmdir(b->dir);
}

static inline unsigned int backend_seen(struct backend *b, uint32_t request)
{
	unsigned int n;

	pthread_mutex_lock(&b->lock);
	n = b->seen[request];
	pthread_mutex_unlock(&b->lock);
	return n;
}

static inline unsigned int backend_taken(struct backend *b)
{
	unsigned int n;

	pthread_mutex_lock(&b->lock);
	n = b->taken;
	pthread_mutex_unlock(&b->lock);
	return n;
}

/* Lets the loop run until @cond holds, which it does unless something hangs. */
#define backend_wait(rig, cond)                        \
	do {                                           \
		unsigned int tries_ = 3000;            \
		bool holds_;                           \
		while (!(holds_ = (cond)) && tries_--) \
			rig_run(rig);                  \
		assert_true(holds_);                   \
	} while (0)

#endif
