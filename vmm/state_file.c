// SPDX-License-Identifier: GPL-2.0-or-later
#include "state_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "error.h"

static const char file_magic[8] = "VIREOST\n";
static const char section_magic[4] = "VSEC";

struct file_header {
	char magic[8];
	uint32_t format;
	uint32_t zero;
};

struct section_header {
	char magic[4];
	uint16_t version;
	uint16_t name_len;
	uint32_t body_len;
	uint32_t crc;
};

_Static_assert(sizeof(struct file_header) == 16, "as in the file");
_Static_assert(sizeof(struct section_header) == 16, "as in the file");

static int write_all(int fd, const void *data, size_t len, struct error *err)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "cannot write the state");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* -ENODATA if there is nothing at all. */
static int read_all(int fd, void *data, size_t len, struct error *err)
{
	char *p = data;
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, p + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "cannot read the state");
		if (!n)
			return error_set(err, done ? EINVAL : ENODATA,
					 "it is cut off");
		done += (size_t)n;
	}
	return 0;
}

static uint32_t section_crc(const struct section_header *h, const char *name,
			    const uint8_t *body)
{
	uLong crc = crc32(0, (const Bytef *)h,
			  offsetof(struct section_header, crc));

	crc = crc32(crc, (const Bytef *)name, h->name_len);
	return (uint32_t)crc32(crc, body, h->body_len);
}

int state_file_begin(int fd, struct error *err)
{
	struct file_header h = { .format = STATE_FORMAT };

	memcpy(h.magic, file_magic, sizeof(h.magic));
	return write_all(fd, &h, sizeof(h), err);
}

int state_file_put(int fd, const char *name, uint16_t version,
		   const struct state_out *body, struct error *err)
{
	static const uint8_t nothing[1];
	const uint8_t *data = body && body->len ? body->data : nothing;
	struct section_header h = {
		.version = version,
		.name_len = (uint16_t)strlen(name),
		.body_len = body ? (uint32_t)body->len : 0,
	};
	int rc;

	if (h.name_len > STATE_SECTION_NAME_MAX ||
	    (body && body->len > STATE_SECTION_MAX))
		return error_set(err, EFBIG, "%.64s: too large a state", name);
	memcpy(h.magic, section_magic, sizeof(h.magic));
	h.crc = section_crc(&h, name, data);
	rc = write_all(fd, &h, sizeof(h), err);
	if (!rc)
		rc = write_all(fd, name, h.name_len, err);
	if (!rc)
		rc = write_all(fd, data, h.body_len, err);
	return rc;
}

int state_file_end(int fd, struct error *err)
{
	return state_file_put(fd, "end", 1, NULL, err);
}

int state_file_open(int fd, struct error *err)
{
	struct file_header h;
	int rc = read_all(fd, &h, sizeof(h), err);

	if (rc)
		return rc;
	if (memcmp(h.magic, file_magic, sizeof(h.magic)))
		return error_set(err, EINVAL, "it is no state of a machine");
	if (h.format != STATE_FORMAT || h.zero)
		return error_set(err, EINVAL,
				 "its format is %u: only %u is known here",
				 h.format, STATE_FORMAT);
	return 0;
}

/* A name becomes a part of messages. */
static bool is_name(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return len;
}

static int read_section(int fd, const struct section_header *h,
			struct state_section *section, uint8_t *body,
			struct error *err)
{
	int rc = read_all(fd, section->name, h->name_len, err);

	if (rc)
		return rc;
	if (!is_name(section->name, h->name_len))
		return error_set(err, EINVAL, "a section without a name");
	section->name[h->name_len] = '\0';
	rc = read_all(fd, body, h->body_len, err);
	if (!rc && section_crc(h, section->name, body) != h->crc)
		rc = error_set(err, EINVAL, "its checksum is wrong");
	if (rc)
		error_prefix(err, "%s", section->name);
	return rc;
}

int state_file_next(int fd, struct state_section *section, struct error *err)
{
	struct section_header h;
	uint8_t *body;
	int rc = read_all(fd, &h, sizeof(h), err);

	if (rc)
		return rc == -ENODATA ? -EINVAL : rc;
	if (memcmp(h.magic, section_magic, sizeof(h.magic)) ||
	    h.name_len > STATE_SECTION_NAME_MAX ||
	    h.body_len > STATE_SECTION_MAX)
		return error_set(err, EINVAL, "no section where one begins");
	body = malloc(h.body_len + 1UL);
	if (!body)
		return error_sys(err, ENOMEM, "cannot read the state");
	rc = read_section(fd, &h, section, body, err);
	if (rc) {
		free(body);
		return rc == -ENODATA ? -EINVAL : rc;
	}
	section->version = h.version;
	section->body = (struct state_in){ body, h.body_len };
	if (strcmp(section->name, "end"))
		return 1;
	state_section_free(section);
	return 0;
}

void state_section_free(struct state_section *section)
{
	free((void *)section->body.data);
	section->body = (struct state_in){ 0 };
}
