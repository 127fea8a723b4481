// SPDX-License-Identifier: GPL-2.0-or-later
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_READ 4096
/* Entries of a directory: more than a host can have VMs. */
#define MAX_NAMES 100000

static bool printable(char c)
{
	return c >= ' ' && c <= '~';
}

static void clean(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\0')
			text[i] = '\n';
		else if (text[i] == '\t')
			text[i] = ' ';
		else if (text[i] != '\n' && !printable(text[i]))
			text[i] = '?';
	}
}

/* What a number or a name is cut off from would look whole. */
static size_t drop_partial_line(const char *text, size_t len)
{
	while (len && text[len - 1] != '\n')
		len--;
	return len;
}

static int read_all(int fd, char **text, size_t *len)
{
	size_t room = FIRST_READ, used = 0;
	char *buf = malloc(room + 1), *bigger;
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		n = read(fd, buf + used, room - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			n = -errno;
			free(buf);
			return (int)n;
		}
		used += (size_t)n;
		if (!n)
			break;
		if (used < room)
			continue;
		if (room >= FILE_LIMIT) {
			used = drop_partial_line(buf, used);
			break;
		}
		bigger = realloc(buf, room * 2 + 1);
		if (!bigger) {
			free(buf);
			return -ENOMEM;
		}
		buf = bigger;
		room *= 2;
	}
	buf[used] = '\0';
	*text = buf;
	*len = used;
	return 0;
}

int file_read(int dir, const char *path, char **text, mode_t *mode)
{
	struct stat st;
	size_t len = 0;
	int fd, ret;

	/* O_NONBLOCK: opening a FIFO would wait. */
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		ret = -errno;
	else if (!S_ISREG(st.st_mode))
		ret = -EINVAL;
	else
		ret = read_all(fd, text, &len);
	close(fd);
	if (ret)
		return ret;
	clean(*text, len);
	if (mode)
		*mode = st.st_mode;
	return 0;
}

char *file_line(char **rest)
{
	char *line = *rest, *end;

	if (!*line)
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end++ = '\0';
	else
		end = line + strlen(line);
	*rest = end;
	return line;
}

char *file_word(char **rest)
{
	char *word = *rest + strspn(*rest, " "), *end;

	if (!*word)
		return NULL;
	end = word + strcspn(word, " ");
	if (*end)
		*end++ = '\0';
	*rest = end;
	return word;
}

bool parse_number(const char *text, uint64_t *value)
{
	uint64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned int digit = (unsigned int)(*text - '0');

		if (*text < '0' || *text > '9' ||
		    __builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)digit, &n))
			return false;
	}
	*value = n;
	return true;
}

static int wanted(const struct dirent *entry)
{
	const char *c = entry->d_name;

	if (*c == '.')
		return false;
	while (printable(*c))
		c++;
	return !*c;
}

int names_read(int dir, const char *path, struct names *names)
{
	struct dirent **list;
	int n = scandirat(dir, path, &list, wanted, alphasort);
	int ret = 0;

	memset(names, 0, sizeof(*names));
	if (n < 0)
		return -errno;
	names->name = calloc((size_t)n + 1, sizeof(*names->name));
	if (!names->name)
		ret = -ENOMEM;
	for (int i = 0; i < n; i++) {
		if (!ret && i < MAX_NAMES) {
			names->name[i] = strdup(list[i]->d_name);
			if (names->name[i])
				names->count++;
			else
				ret = -ENOMEM;
		}
		free(list[i]);
	}
	free(list);
	if (ret)
		names_free(names);
	return ret;
}

void names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
	memset(names, 0, sizeof(*names));
}
