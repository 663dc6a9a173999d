"""Pages for people who come by a link: tasks, forms and chats. They work without scripts, on a phone, in English and
Chinese, in light and dark."""
