// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vhost-user, the frontend's part.  Each request is answered before the next, by
 * a reply or, where the backend can, by an acknowledgement.
 */
#include <errno.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../error.h"
#include "message.h"

#define BIT64(n) (1ULL << (n))
#define PROTOCOL                                                       \
	(BIT64(VU_P_MQ) | BIT64(VU_P_REPLY_ACK) | BIT64(VU_P_CONFIG) | \
	 BIT64(VU_P_INFLIGHT))
#define MAX_FDS MEM_MAX_BLOCKS
#define MAX_RINGS 1024
/* Of what is begun: a few bytes for each descriptor. */
#define MAX_INFLIGHT (1ULL << 30)

static bool has(const struct vhost *vh, unsigned int protocol_feature)
{
	return vh->protocol & BIT64(protocol_feature);
}

/* ---- messages ------------------------------------------------------------------ */

/*
 * Whoever watches the descriptor hears of it, and has all begin anew: what
 * comes after cannot be made out.
 */
static int lost(struct vhost *vh, int rc)
{
	shutdown(vh->fd, SHUT_RDWR);
	return rc;
}

static int put(struct vhost *vh, uint32_t request, uint32_t flags,
	       const void *payload, uint32_t size, const int *fds,
	       unsigned int nr_fds)
{
	struct vu_header head = { request, flags | VU_VERSION, size };
	/* The kernel only reads it. */
	struct iovec iov[] = { { &head, sizeof(head) },
			       { (void *)(uintptr_t)payload, size } };
	union {
		char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = { .room = { 0 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct cmsghdr *c;
	ssize_t n;

	if (nr_fds) {
		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr_fds * sizeof(int));
	}
	do
		n = sendmsg(vh->fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return lost(vh, -errno);
	return n == (ssize_t)(sizeof(head) + size) ? 0 : lost(vh, -EPIPE);
}

/* A descriptor that came with it; those that nobody asked for are closed. */
static void take_fds(struct msghdr *msg, int *out)
{
	struct cmsghdr *c;
	int fd;
	size_t at;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (at = 0; CMSG_LEN(at + sizeof(fd)) <= c->cmsg_len;
		     at += sizeof(fd)) {
			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (out && *out < 0)
				*out = fd;
			else
				close(fd);
		}
	}
}

/* All of @len bytes, within VHOST_WAIT_S, or twice that if it dawdles. */
static int get(struct vhost *vh, void *buf, size_t len, int *fd)
{
	union {
		char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	uint64_t end = loop_now() + VHOST_WAIT_S * 1000000000ULL;
	size_t at = 0;
	ssize_t n;

	while (at < len) {
		struct iovec iov = { (char *)buf + at, len - at };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control.room,
				      .msg_controllen = sizeof(control.room) };

		n = recvmsg(vh->fd, &msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOTCONN;
		take_fds(&msg, fd);
		at += (size_t)n;
		if (at < len && loop_now() > end)
			return -ETIMEDOUT;
	}
	return 0;
}

/* The reply to @request, of @least to @most bytes; *fd: one with it, or -1. */
static int reply(struct vhost *vh, uint32_t request, void *payload,
		 uint32_t least, uint32_t most, int *fd)
{
	struct vu_header head;
	int rc;

	rc = get(vh, &head, sizeof(head), fd);
	if (!rc && (head.request != request ||
		    (head.flags & (VU_VERSION_MASK | VU_REPLY)) !=
			    (VU_VERSION | VU_REPLY) ||
		    head.size < least || head.size > most))
		rc = -EPROTO;
	if (!rc)
		rc = get(vh, payload, head.size, fd);
	if (!rc)
		return 0;
	if (fd && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	/* Who has not answered by now might later, to something else. */
	return lost(vh, rc == -EAGAIN ? -ETIMEDOUT : rc);
}

static int set_with_fds(struct vhost *vh, uint32_t request, const void *payload,
			uint32_t size, const int *fds, unsigned int nr_fds)
{
	bool ack = has(vh, VU_P_REPLY_ACK);
	uint64_t failed = 0;
	int rc;

	rc = put(vh, request, ack ? VU_NEED_REPLY : 0, payload, size, fds,
		 nr_fds);
	if (!rc && ack)
		rc = reply(vh, request, &failed, sizeof(failed), sizeof(failed),
			   NULL);
	return rc ? rc : failed ? -EREMOTEIO : 0;
}

static int set(struct vhost *vh, uint32_t request, const void *payload,
	       uint32_t size)
{
	return set_with_fds(vh, request, payload, size, NULL, 0);
}

static int set_u64(struct vhost *vh, uint32_t request, uint64_t value)
{
	return set(vh, request, &value, sizeof(value));
}

static int get_u64(struct vhost *vh, uint32_t request, uint64_t *value)
{
	int rc = put(vh, request, 0, NULL, 0, NULL, 0);

	return rc ? rc :
		    reply(vh, request, value, sizeof(*value), sizeof(*value),
			  NULL);
}

/* ---- what comes before rings ------------------------------------------------------ */

static int user_own(struct vhost *vh)
{
	(void)vh; /* by the greeting */
	return 0;
}

static int user_set_memory(struct vhost *vh)
{
	struct vu_memory table = { .nr = vh->mem->nr_blocks };
	const struct mem_block *b;
	int fds[MEM_MAX_BLOCKS];
	unsigned int i;

	for (i = 0; i < table.nr; i++) {
		b = &vh->mem->blocks[i];
		table.regions[i] = (struct vu_region){ b->gpa, b->len,
						       (uintptr_t)b->hva,
						       b->fd_offset };
		fds[i] = vh->mem->fd;
	}
	return set_with_fds(vh, VU_SET_MEM_TABLE, &table,
			    (uint32_t)(offsetof(struct vu_memory, regions) +
				       table.nr * sizeof(table.regions[0])),
			    fds, table.nr);
}

/*
 * The file in which it notes what it has begun, which outlives it.  Nothing in
 * it is read here.
 */
static int share_inflight(struct vhost *vh)
{
	struct vu_inflight m = { .nr_rings = (uint16_t)vh->inflight_rings,
				 .num = (uint16_t)vh->inflight_num };
	int rc, fd = -1;

	if (vh->inflight_fd < 0) {
		rc = put(vh, VU_GET_INFLIGHT_FD, 0, &m, sizeof(m), NULL, 0);
		if (!rc)
			rc = reply(vh, VU_GET_INFLIGHT_FD, &m, sizeof(m),
				   sizeof(m), &fd);
		if (rc)
			return rc;
		if (fd < 0 || m.size > MAX_INFLIGHT) {
			if (fd >= 0)
				close(fd);
			return lost(vh, -EPROTO);
		}
		vh->inflight_fd = fd;
		vh->inflight_size = m.size;
		vh->inflight_offset = m.offset;
	}
	m = (struct vu_inflight){ .size = vh->inflight_size,
				  .offset = vh->inflight_offset,
				  .nr_rings = (uint16_t)vh->inflight_rings,
				  .num = (uint16_t)vh->inflight_num };
	return set_with_fds(vh, VU_SET_INFLIGHT_FD, &m, sizeof(m),
			    &vh->inflight_fd, 1);
}

static int user_set_features(struct vhost *vh, uint64_t features)
{
	int rc;

	if (vh->protocol)
		features |= BIT64(VU_F_PROTOCOL);
	rc = set_u64(vh, VU_SET_FEATURES, features);
	if (!rc && vhost_user_inflight(vh))
		rc = share_inflight(vh);
	return rc;
}

bool vhost_user_inflight(const struct vhost *vh)
{
	return has(vh, VU_P_INFLIGHT) && vh->inflight_num;
}

void vhost_user_forget(struct vhost *vh)
{
	pthread_mutex_lock(&vh->lock);
	if (vh->inflight_fd >= 0)
		close(vh->inflight_fd);
	vh->inflight_fd = -1;
	/* The next driver's begins with another file. */
	vh->acked = UINT64_MAX;
	pthread_mutex_unlock(&vh->lock);
}

/* ---- rings -------------------------------------------------------------------------- */

static int set_state(struct vhost *vh, uint32_t request, unsigned int index,
		     unsigned int num)
{
	struct vhost_vring_state state = { index, num };

	return set(vh, request, &state, sizeof(state));
}

static int user_start(struct vhost *vh, unsigned int index,
		      const struct vhost_ring *r)
{
	struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = (uintptr_t)r->desc,
		.avail_user_addr = (uintptr_t)r->avail,
		.used_user_addr = (uintptr_t)r->used,
	};
	uint64_t number = index;
	int rc;

	if (index >= vh->nr_rings)
		return -ENODEV;
	rc = set_state(vh, VU_SET_VRING_NUM, index, r->num);
	if (!rc)
		rc = set_state(vh, VU_SET_VRING_BASE, index, r->base);
	if (!rc)
		rc = set(vh, VU_SET_VRING_ADDR, &addr, sizeof(addr));
	if (!rc)
		rc = set_with_fds(vh, VU_SET_VRING_CALL, &number,
				  sizeof(number), &r->call_fd, 1);
	if (!rc)
		rc = set_with_fds(vh, VU_SET_VRING_KICK, &number,
				  sizeof(number), &r->kick_fd, 1);
	/* Without features of the protocol it is on at once. */
	if (!rc && vh->protocol)
		rc = set_state(vh, VU_SET_VRING_ENABLE, index, 1);
	return rc;
}

static int user_stop(struct vhost *vh, unsigned int index, uint16_t *base)
{
	struct vhost_vring_state state = { index, 0 };
	int rc = 0;

	if (vh->protocol)
		rc = set_state(vh, VU_SET_VRING_ENABLE, index, 0);
	if (!rc)
		rc = put(vh, VU_GET_VRING_BASE, 0, &state, sizeof(state), NULL,
			 0);
	if (!rc)
		rc = reply(vh, VU_GET_VRING_BASE, &state, sizeof(state),
			   sizeof(state), NULL);
	if (!rc && state.index != index)
		rc = lost(vh, -EPROTO);
	*base = (uint16_t)state.num;
	return rc;
}

const struct vhost_ops vhost_user_ops = {
	.name = "vhost-user",
	.own = user_own,
	.set_memory = user_set_memory,
	.set_features = user_set_features,
	.start = user_start,
	.stop = user_stop,
};

/* ---- the connection ------------------------------------------------------------------ */

static int greet(struct vhost *vh, uint64_t *features)
{
	uint64_t value;
	int rc = get_u64(vh, VU_GET_FEATURES, features);

	vh->nr_rings = MAX_RINGS;
	if (!rc && *features & BIT64(VU_F_PROTOCOL)) {
		rc = get_u64(vh, VU_GET_PROTOCOL_FEATURES, &value);
		if (!rc)
			rc = set_u64(vh, VU_SET_PROTOCOL_FEATURES,
				     value & PROTOCOL);
		if (!rc)
			vh->protocol = value & PROTOCOL;
	}
	if (!rc && has(vh, VU_P_MQ)) {
		rc = get_u64(vh, VU_GET_QUEUE_NUM, &value);
		if (!rc && value < MAX_RINGS)
			vh->nr_rings = (unsigned int)value * vh->unit;
	}
	return rc ? rc : set(vh, VU_SET_OWNER, NULL, 0);
}

/* Alone: nobody else uses it while vh->fd is -1. */
int vhost_user_greet(struct vhost *vh, int fd, uint64_t wanted,
		     struct error *err)
{
	struct timeval wait = { .tv_sec = VHOST_WAIT_S };
	uint64_t features = 0;
	int rc;

	pthread_mutex_lock(&vh->lock);
	vh->fd = fd;
	vh->protocol = 0;
	vh->prepared = false;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)))
		rc = error_sys(err, errno, "cannot use a socket");
	else if ((rc = greet(vh, &features)))
		rc = error_sys(err, -rc, "it does not greet");
	else if (wanted & ~features)
		rc = error_set(err, EPROTO,
			       "it lacks features that were there before: "
			       "%#llx",
			       (unsigned long long)(wanted & ~features));
	if (rc)
		vh->fd = -1;
	else
		vh->features = features & ~BIT64(VU_F_PROTOCOL);
	pthread_mutex_unlock(&vh->lock);
	return rc;
}

void vhost_user_gone(struct vhost *vh)
{
	pthread_mutex_lock(&vh->lock);
	if (vh->fd >= 0)
		close(vh->fd);
	vh->fd = -1;
	vh->prepared = false;
	pthread_mutex_unlock(&vh->lock);
}

int vhost_user_config(struct vhost *vh, void *buf, uint32_t len)
{
	struct vu_config c = { .size = len };
	int rc;

	if (!has(vh, VU_P_CONFIG))
		return -EOPNOTSUPP;
	if (len > VHOST_CONFIG_MAX)
		return -EINVAL;
	pthread_mutex_lock(&vh->lock);
	rc = vh->fd < 0 ? -ENOTCONN :
			  put(vh, VU_GET_CONFIG, 0, &c, VU_CONFIG_HEADER + len,
			      NULL, 0);
	if (!rc)
		rc = reply(vh, VU_GET_CONFIG, &c, VU_CONFIG_HEADER + len,
			   VU_CONFIG_HEADER + len, NULL);
	pthread_mutex_unlock(&vh->lock);
	if (!rc)
		memcpy(buf, c.data, len);
	return rc;
}
